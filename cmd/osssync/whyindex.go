package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
)

// explain tells the story of a file without an agent, by its absolute path: of
// what is pending it knows nothing.
func (s *session) explain(ctx context.Context, path string) (agent.Explanation, error) {
	e := agent.Explanation{Path: path, Also: []string{}}
	job, rel := s.covering(path, &e)
	if job == nil {
		return e, nil
	}
	e.Job = job.Name
	mtime := s.look(path, job, &e)
	f, err := plan.ParseFilter(job.Filter)
	if err != nil {
		return e, err
	}
	if e.Disk.Exists {
		e.Taken, e.Rule = f.WithSizes(int64(job.MinSize), int64(job.MaxSize)).MatchFile(rel, e.Disk.Size)
	} else {
		e.Taken, e.Rule = f.Match(rel, isDirectory(path))
	}
	prefix, err := s.prefix(ctx, job)
	if err != nil {
		e.KeyError = err.Error()
		return e, s.indexed(ctx, job, nil, rel, &e)
	}
	if e.Key, err = plan.Key(config.ExpandPath(prefix, rel, mtime), rel); err != nil {
		e.KeyError = err.Error()
	}
	return e, s.indexed(ctx, job, &prefix, rel, &e)
}

// A claim is a job that covers a path.
type claim struct {
	job   *config.Job
	rel   string // the path within the job's source, with / separators
	taken bool   // by the filter's rules for names
}

// covering returns the job that a file belongs to, with the path within its
// source; nil where there is none. As in the agent it is one that takes the
// file, and of these the one with the deepest source. Others are noted.
func (s *session) covering(path string, e *agent.Explanation) (job *config.Job, rel string) {
	var all []claim
	for i := range s.config.Jobs {
		j := &s.config.Jobs[i]
		c, ok := claimOf(j, j.Source, path)
		if real, err := filepath.EvalSymlinks(j.Source); !ok && err == nil {
			c, ok = claimOf(j, real, path)
		}
		if ok {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int {
		switch {
		case a.taken && !b.taken:
			return -1
		case b.taken && !a.taken:
			return 1
		}
		return len(b.job.Source) - len(a.job.Source)
	})
	if len(all) == 0 {
		return nil, ""
	}
	for _, c := range all[1:] {
		e.Also = append(e.Also, c.job.Name)
	}
	return all[0].job, all[0].rel
}

func claimOf(j *config.Job, source, path string) (claim, bool) {
	rel, err := filepath.Rel(source, path)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return claim{}, false
	}
	c := claim{job: j, rel: filepath.ToSlash(rel)}
	if f, err := plan.ParseFilter(j.Filter); err == nil {
		c.taken, _ = f.Match(c.rel, false)
	}
	return c, true
}

// look notes what is on disk, and returns the file's modification time.
func (s *session) look(path string, job *config.Job, e *agent.Explanation) time.Time {
	stat := os.Lstat
	if job.Symlinks == "follow" {
		stat = os.Stat
	}
	fi, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		e.Disk.Error = err.Error()
	case !fi.Mode().IsRegular():
		e.Disk.Error = "not a regular file"
	default:
		mtime := fi.ModTime().UTC()
		e.Disk = agent.DiskStory{Exists: true, Size: fi.Size(), MTime: &mtime}
		return mtime
	}
	return time.Time{}
}

func (s *session) prefix(ctx context.Context, job *config.Job) (string, error) {
	v, err := s.vars(ctx, job)
	if err != nil {
		return "", err
	}
	return config.Expand(job.Prefix, v)
}

// indexed notes what the index holds of a file. With a nil prefix, which the
// metadata service did not tell, the root is the only one of its source and
// bucket, if there is one such.
func (s *session) indexed(ctx context.Context, job *config.Job, prefix *string, rel string, e *agent.Explanation) error {
	ix, err := state.OpenReader(ctx, s.config.StateDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	defer ix.Close()
	key, ok, err := rootKey(ctx, ix, job, prefix)
	if err != nil || !ok {
		return err
	}
	view, err := ix.Root(ctx, key)
	if err != nil || view == nil {
		return err
	}
	return readStory(ctx, view, key, rel, e)
}

func rootKey(ctx context.Context, ix *state.Reader, job *config.Job, prefix *string) (key state.RootKey, ok bool, err error) {
	if prefix != nil {
		return state.RootKey{Source: job.Source, Bucket: job.Bucket, Prefix: *prefix}, true, nil
	}
	all, err := ix.Roots(ctx)
	n := 0
	for _, k := range all {
		if k.Source == job.Source && k.Bucket == job.Bucket {
			key, n = k, n+1
		}
	}
	return key, n == 1, err
}

func readStory(ctx context.Context, view *state.View, key state.RootKey, rel string, e *agent.Explanation) error {
	entry, err := view.Lookup(ctx, rel)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if entry != nil {
		e.Index = &agent.IndexStory{
			Key: entry.Key, Size: entry.Size, MTime: time.Unix(0, entry.MTime).UTC(),
			CRC64: strconv.FormatUint(entry.CRC64, 10), ETag: entry.ETag, Assumed: entry.Assumed,
		}
		if entry.Key == "" {
			e.Index.Key = key.Prefix + rel
		}
		if !entry.Uploaded.IsZero() {
			at := entry.Uploaded.UTC()
			e.Index.Recorded = &at
		}
	}
	if f, err := view.Failure(ctx, rel); err != nil {
		return fmt.Errorf("index: %w", err)
	} else if f != nil {
		e.Failure = &agent.FailureStory{Error: f.Err, Attempts: f.Tries, Since: f.Since.UTC()}
		if !f.Due.IsZero() {
			due := f.Due.UTC()
			e.Failure.NextTry = &due
		}
	}
	if u, err := view.Upload(ctx, rel); err != nil {
		return fmt.Errorf("index: %w", err)
	} else if u != nil {
		e.Upload = &agent.UploadStory{ID: u.ID, Key: u.Key, Began: u.Began.UTC(), Size: u.Version.Size, PartSize: u.PartSize, Parts: len(u.Parts)}
		for _, p := range u.Parts {
			e.Upload.Bytes += p.Size
		}
	}
	return nil
}
