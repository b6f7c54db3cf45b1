package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A Kind says how something is not as the index has it.
type Kind string

// The kinds of differences. A path can have one towards the bucket and one
// towards the disk.
const (
	Missing Kind = "missing" // the object is not in the bucket
	Differs Kind = "differs" // the object is another one
	Pending Kind = "pending" // the file has changed and is yet to be sent
	Gone    Kind = "gone"    // the file is not there any more
	Unread  Kind = "unread"  // nothing can be told of the file
	Strange Kind = "strange" // an object that the index knows nothing of; it counts for no difference
)

// A Difference is what Verify found of one path.
type Difference struct {
	Kind   Kind
	Job    string
	Path   string // relative to the source
	Key    string
	Reason string // in a few words, for people
}

// Verified is what Verify has counted.
type Verified struct {
	Files    int64 // entries of the index that were compared
	Missing  int64
	Differ   int64
	Pending  int64
	Gone     int64
	Unread   int64
	Strange  int64
	Repaired int64 // files that are to be sent again because of that
	Resent   int64 // those of them that the agent has made good, where Await was there to see it

	Unsent []string // why the agent did not do so with the others, as far as it told
}

// Equal says whether all that was compared is as the index has it.
func (v Verified) Equal() bool {
	return v.Missing+v.Differ+v.Pending+v.Gone+v.Unread == 0
}

// VerifyOptions say what Verify does about what it finds. The zero value is to
// count it.
type VerifyOptions struct {
	Report   func(Difference)                                                   // hears of each; one call at a time
	Progress func(files int64)                                                  // hears now and then how many files were compared
	Recheck  func(ctx context.Context, job string, paths []string) (int, error) // has files sent again whose objects are missing or differ
	Await    func(ctx context.Context, job string) (JobReceipt, error)          // returns when that is done, or will not be soon
	Beside   bool                                                               // an agent is at work: what differs is looked at again, a few seconds later
	Resend   bool                                                               // send them again in a pass like Sync; the index must not be in use
}

// Verify compares the index with the bucket and with the disk. Of the bucket it
// reads listings, and the headers of objects that these say nothing certain
// of; of files it reads nothing. A job that cannot be compared is a *JobError,
// and the others go on.
func (a *Agent) Verify(ctx context.Context, opt VerifyOptions) (Verified, error) {
	open := a.readIndex
	if opt.Resend {
		open = a.openIndex
	}
	ix, err := open(ctx)
	if err != nil {
		return Verified{}, err
	}
	v := &verifier{agent: a, opt: opt}
	var errs []error
	for _, job := range a.roster.all() {
		if err := v.job(ctx, ix, job); err != nil {
			errs = append(errs, &JobError{job.Name, err})
		}
	}
	if opt.Resend && !v.sum.Equal() && ctx.Err() == nil {
		p := a.newPipeline(ix, plan.Options{Report: a.opt.Report, MaxTries: syncTries})
		_, err := a.pass(ctx, p, p.uploader.Run)
		errs = append(errs, err)
	}
	return v.sum, errors.Join(append(errs, ix.Close())...)
}

// A verifier verifies one job after the other.
type verifier struct {
	agent *Agent
	opt   VerifyOptions

	mu  sync.Mutex
	sum Verified
}

// A check is the verification of one job.
type check struct {
	*verifier
	name   string
	prefix string
	tree   *upload.Tree
	view   *state.View
	root   *state.Root // nil where the index is only looked at
	bucket upload.Bucket

	suspects []suspect // to be looked at again; guarded by the verifier's mutex
	resend   []string  // paths to be sent again; likewise
	handed   []string  // those that were given to the agent
}

// errUnknown says that a job was never run.
var errUnknown = errors.New("the index knows nothing of this job; sync it first")

func (v *verifier) job(ctx context.Context, ix index, job *config.Job) error {
	a := v.agent
	prefix, err := a.prefix(ctx, job)
	if err != nil {
		return err
	}
	b, err := a.opt.Bucket(ctx, job.Bucket)
	if err != nil {
		return err
	}
	tree, err := upload.OpenTree(job.Source, job.Symlinks == "follow")
	if err != nil {
		return &SourceError{err}
	}
	defer tree.Close()
	opt := plan.LaneOptions{Target: &upload.Target{}}
	if err := ix.attach(ctx, state.RootKey{Source: job.Source, Bucket: job.Bucket, Prefix: prefix}, &opt); err != nil {
		return err
	}
	c := &check{verifier: v, name: job.Name, prefix: prefix, tree: tree, bucket: b}
	switch ix := opt.Index.(type) {
	case *state.View:
		c.view = ix
	case *state.Root:
		c.view, c.root = ix.View, ix
	default:
		return errUnknown
	}
	if config.ExpandPath(prefix, "a", time.Unix(0, 0)) != prefix {
		err = c.byHeaders(ctx)
	} else {
		err = c.byListing(ctx, a.opt.List, job.Bucket)
	}
	if err != nil {
		return err
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	return c.await(ctx)
}

// byListing compares the entries with a listing of the bucket.
func (c *check) byListing(ctx context.Context, list ListFunc, bucket string) error {
	if list == nil {
		return errors.New("list: buckets cannot be listed here")
	}
	lease := config.LeaseKey(c.prefix)
	for p, err := range pairs(ctx, c.view, list(ctx, bucket, c.prefix)) {
		switch {
		case err != nil:
		case p.entry == nil && p.object.Key != lease:
			err = c.strange(ctx, p)
		case p.entry != nil && (p.object == nil || !p.agree()):
			err = c.suspect(ctx, p.path)
			fallthrough
		case p.entry != nil:
			c.disk(p.path, p.entry)
			if err == nil {
				err = c.counted(ctx, 1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// headers is how many objects are asked for at once.
const headers = 16

// byHeaders asks for every object by itself: keys that depend on dates do not
// come in the order of the paths.
func (c *check) byHeaders(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(headers)
	var err error
	for l, e := range c.view.Ordered(gctx) {
		if err = e; err != nil {
			break
		}
		g.Go(func() error {
			if err := c.suspect(gctx, l.Path); err != nil {
				return err
			}
			c.disk(l.Path, &l.Entry)
			return c.counted(gctx, 1)
		})
	}
	if e := g.Wait(); e != nil {
		return e
	}
	return err
}

// key returns the key that an entry is about.
func (c *check) key(path string, e *state.Entry) string {
	if e.Key != "" {
		return e.Key
	}
	return config.ExpandPath(c.prefix, path, time.Unix(0, e.MTime)) + path
}

// disk compares an entry with the file.
func (c *check) disk(path string, e *state.Entry) {
	d := Difference{Job: c.name, Path: path, Key: c.key(path, e)}
	v, err := c.tree.Stat(path)
	switch {
	case errors.Is(err, upload.ErrVanished), errors.Is(err, fs.ErrNotExist):
		d.Kind, d.Reason = Gone, "the file is gone"
	case errors.Is(err, upload.ErrNotRegular):
		d.Kind, d.Reason = Gone, "not a regular file any more"
	case err != nil:
		d.Kind, d.Reason = Unread, err.Error()
	case distrusted(e):
		d.Kind, d.Reason = Pending, "an earlier verify has it sent again"
	case v.Size != e.Size:
		d.Kind, d.Reason = Pending, fmt.Sprintf("the file has %d bytes, not %d", v.Size, e.Size)
	case v.MTime != e.MTime:
		d.Kind, d.Reason = Pending, "the file was modified"
	default:
		return
	}
	c.found(d)
}

// found counts and reports a difference.
func (c *check) found(d Difference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*map[Kind]*int64{
		Missing: &c.sum.Missing, Differs: &c.sum.Differ, Pending: &c.sum.Pending,
		Gone: &c.sum.Gone, Unread: &c.sum.Unread, Strange: &c.sum.Strange,
	}[d.Kind]++
	if c.opt.Report != nil {
		c.opt.Report(d)
	}
}

// counted ends the comparison of a path, with n entries.
func (c *check) counted(ctx context.Context, n int64) error {
	c.mu.Lock()
	c.sum.Files += n
	files, full := c.sum.Files, len(c.resend)+len(c.suspects) >= compareBatch
	c.mu.Unlock()
	if c.opt.Progress != nil && files%100 == 0 {
		c.opt.Progress(files)
	}
	if full {
		return c.flush(ctx)
	}
	return nil
}
