package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/internal/watch"
)

// A line is the pipeline of one job: from its watcher to its lane.
type line struct {
	job     *config.Job
	prefix  string // of the keys; what depends on the file is not expanded
	tree    *upload.Tree
	target  *upload.Target
	root    *state.Root // nil where the index is only looked at
	filter  *plan.Filter
	lane    *plan.Lane
	sink    *sink
	guard   *guard
	options watch.Options
	watcher *watch.Watcher
	proof   proof

	first, last uint64 // sequence numbers of the job before this line began and when it ended, the roster's
}

// open prepares one job: its source, its bucket, its part of the index, its
// lane and its watcher.
func (a *Agent) open(ctx context.Context, p *pipeline, job *config.Job) (*line, error) {
	prefix, err := a.prefix(ctx, job)
	if err != nil {
		return nil, err
	}
	b, err := a.opt.Bucket(ctx, job.Bucket)
	if err != nil {
		return nil, err
	}
	filter, err := jobFilter(job)
	if err != nil {
		return nil, err
	}
	tree, err := upload.OpenTree(job.Source, job.Symlinks == "follow")
	if err != nil {
		return nil, &SourceError{err}
	}
	opened, err := tree.Identity()
	if err != nil {
		return nil, errors.Join(err, tree.Close())
	}
	opt := laneOptions(job, prefix, filter)
	opt.Target = &upload.Target{Name: job.Name, Tree: tree, Bucket: b, Object: properties(job)}
	opt.Tree = tree
	key := state.RootKey{Source: job.Source, Bucket: job.Bucket, Prefix: prefix}
	if err := p.index.attach(ctx, key, &opt); err != nil {
		return nil, errors.Join(err, tree.Close())
	}
	l := &line{job: job, prefix: prefix, tree: tree, filter: filter, options: a.watchOptions(job, filter), guard: a.newGuard(job, prefix)}
	l.root, _ = opt.Index.(*state.Root)
	if ix := opt.Target.Index; ix != nil {
		opt.Target.Index = noting{ix, func(key string) {
			a.roster.verified(job.Name, key)
			l.guard.touch()
		}}
	}
	opt.Rescan = func() { l.watcher.Rescan() }
	opt.List = func(_ context.Context, dir string) (plan.Listing, error) {
		li, err := watch.List(job.Source, dir, l.options)
		return listing(li, nil), err
	}
	if l.guard != nil {
		opt.Rival = l.guard.forbids
		l.guard.changed = func() { l.lane.Reconsider() }
	}
	l.target = opt.Target
	l.lane = p.queue.Lane(opt)
	l.sink = &sink{lane: l.lane, opened: opened, job: job.Name, report: p.report, log: a.log}
	l.sink.scanned = func(ctx context.Context) error {
		a.roster.scanned(l)
		return l.confirm(ctx)
	}
	l.watcher = watch.New(job.Source, l.sink, l.options)
	return l, nil
}

// close takes the job out of the queue and closes its source, once nothing of
// it is in flight any more.
func (l *line) close(ctx context.Context) error {
	return errors.Join(l.lane.Close(ctx), l.tree.Close())
}

// prefix expands all of a job's prefix but what depends on the file.
func (a *Agent) prefix(ctx context.Context, job *config.Job) (string, error) {
	vars, err := a.opt.Vars(ctx, job)
	if err != nil {
		return "", fmt.Errorf("prefix %s: %w", job.Prefix, err)
	}
	return config.Expand(job.Prefix, vars)
}

func jobFilter(job *config.Job) (*plan.Filter, error) {
	f, err := plan.ParseFilter(job.Filter)
	if err != nil {
		return nil, err
	}
	return f.WithSizes(int64(job.MinSize), int64(job.MaxSize)), nil
}

func (a *Agent) watchOptions(job *config.Job, filter *plan.Filter) watch.Options {
	return watch.Options{
		Exclude:        filter.ExcludesDir,
		Rescan:         time.Duration(a.config().Agent.Rescan),
		Poll:           job.Watch == "poll",
		FollowSymlinks: job.Symlinks == "follow",
		PrivateDir:     a.config().StateDir(),
		Logger:         a.log.With("job", job.Name),
	}
}

func laneOptions(job *config.Job, prefix string, filter *plan.Filter) plan.LaneOptions {
	opt := plan.LaneOptions{
		Prefix:      prefix,
		Filter:      filter,
		Settle:      time.Duration(job.Settle),
		MaxWait:     time.Duration(job.MaxWait),
		Deletes:     plan.Deletes(job.Deletes),
		TrashPrefix: job.TrashPrefix,
		MaxDeletes:  plan.Limit(job.MaxDeletes),
		Renames:     job.Renames,
	}
	if config.ExpandPath(prefix, "a", time.Unix(0, 0)) != prefix {
		opt.Expand = func(rel string, mtime time.Time) string { return config.ExpandPath(prefix, rel, mtime) }
	}
	return opt
}

func properties(job *config.Job) upload.Properties {
	return upload.Properties{
		StorageClass: job.StorageClass,
		Encryption:   job.Encryption,
		ACL:          job.ACL,
		CacheControl: job.CacheControl,
		ContentTypes: job.ContentTypes,
		Metadata:     job.Metadata,
		Tags:         job.Tags,
		Preserve:     job.Preserve,
		AfterUpload:  job.AfterUpload,
	}
}
