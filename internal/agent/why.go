package agent

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A claim is a job that covers a path.
type claim struct {
	job   *config.Job
	rel   string // the path, relative to the job's source, with / separators
	taken bool   // by the filter's rules for names
}

// why tells the story of a file. An error is the index's.
func (a *Agent) why(ctx context.Context, path string) (Explanation, error) {
	e := Explanation{Path: path, Also: []string{}}
	claims := a.claims(path)
	if len(claims) == 0 {
		e.Reason = "no job covers this path"
		e.Disk.Error = "not looked at"
		return e, nil
	}
	for _, c := range claims[1:] {
		e.Also = append(e.Also, c.job.Name)
	}
	c := claims[0]
	e.Job = c.job.Name
	l, fault := a.roster.find(c.job.Name)
	if l == nil {
		e.Reason = notRunning(fault)
		e.Disk.Error = "not looked at"
		f, err := jobFilter(c.job)
		if err == nil {
			e.Taken, e.Rule = f.Match(c.rel, false)
		}
		return e, err
	}
	err := l.explain(ctx, c.rel, &e)
	return e, err
}

// claims returns the jobs that cover a path: those that take it first, and of
// these the one with the deepest source. A path that none covers as it is
// written is looked for where its links lead.
func (a *Agent) claims(path string) []claim {
	path = filepath.Clean(path)
	all := a.covering(path, func(source string) string { return source })
	if len(all) == 0 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return nil
		}
		all = a.covering(filepath.Join(dir, filepath.Base(path)), func(source string) string {
			real, err := filepath.EvalSymlinks(source)
			if err != nil {
				return source
			}
			return real
		})
	}
	slices.SortStableFunc(all, func(x, y claim) int {
		switch {
		case x.taken != y.taken && x.taken:
			return -1
		case x.taken != y.taken:
			return 1
		}
		return cmp.Compare(len(y.job.Source), len(x.job.Source))
	})
	return all
}

func (a *Agent) covering(path string, source func(string) string) []claim {
	var all []claim
	for _, job := range a.roster.all() {
		rel, ok := below(source(job.Source), path)
		if !ok {
			continue
		}
		c := claim{job: job, rel: rel}
		if f, err := jobFilter(job); err == nil {
			c.taken, _ = f.Match(rel, false)
		}
		all = append(all, c)
	}
	return all
}

// below returns the path relative to a directory that it lies in.
func below(dir, path string) (rel string, ok bool) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// explain fills in what is known of a file of the job.
func (l *line) explain(ctx context.Context, rel string, e *Explanation) error {
	story := l.lane.Story(rel)
	e.Taken, e.Rule = story.Taken, story.Rule
	e.Disk = l.onDisk(rel)
	e.Key, e.KeyError = l.key(rel, e.Disk.MTime)
	if story.Pending {
		e.Pending = &PendingStory{story.Doing, story.Since.Seconds(), story.Next.Seconds()}
	}
	e.Failure = failureStory(story.Failure)
	if l.root == nil {
		return nil
	}
	entry, err := l.root.Lookup(ctx, rel)
	if err != nil {
		return err
	}
	if entry != nil {
		e.Index = l.indexStory(rel, entry)
	}
	up, err := l.root.Upload(ctx, rel)
	if err != nil {
		return err
	}
	if up != nil {
		e.Upload = uploadStory(up)
	}
	return nil
}

func (l *line) onDisk(rel string) DiskStory {
	v, err := l.tree.Stat(rel)
	if err != nil {
		if fe, ok := errors.AsType[*upload.FileError](err); ok {
			err = fe.Err // the path is known
		}
		return DiskStory{Error: err.Error()}
	}
	mtime := time.Unix(0, v.MTime).UTC()
	return DiskStory{Exists: true, Size: v.Size, MTime: &mtime}
}

// key returns the key of the file's object. One that depends on the file's time
// is told as of now where there is no file.
func (l *line) key(rel string, mtime *time.Time) (key, fault string) {
	at := time.Now()
	if mtime != nil {
		at = *mtime
	}
	key, err := plan.Key(config.ExpandPath(l.prefix, rel, at), rel)
	if err != nil {
		return "", err.Error()
	}
	return key, ""
}

func (l *line) indexStory(rel string, entry *state.Entry) *IndexStory {
	s := &IndexStory{
		Key:     cmp.Or(entry.Key, l.prefix+rel),
		Size:    entry.Size,
		MTime:   time.Unix(0, entry.MTime).UTC(),
		CRC64:   strconv.FormatUint(entry.CRC64, 10),
		ETag:    entry.ETag,
		Assumed: entry.Assumed,
	}
	if !entry.Uploaded.IsZero() {
		at := entry.Uploaded.UTC()
		s.Recorded = &at
	}
	return s
}

func failureStory(f *plan.Failure) *FailureStory {
	if f == nil {
		return nil
	}
	st := failureStatus(*f)
	s := &FailureStory{Error: st.Error, Attempts: st.Attempts, NextTry: st.NextTry, Since: f.Since.UTC()}
	if e, ok := errors.AsType[*upload.RequestError](f.Err); ok {
		s.RequestID = e.RequestID
	}
	return s
}

func uploadStory(up *state.Upload) *UploadStory {
	s := &UploadStory{ID: up.ID, Key: up.Key, Began: up.Began.UTC(), Size: up.Version.Size, PartSize: up.PartSize, Parts: len(up.Parts)}
	for _, p := range up.Parts {
		s.Bytes += p.Size
	}
	return s
}
