package plan

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A sight is what a look at a path found.
type sight struct {
	disk      *state.Version // nil: no regular file
	irregular bool
	known     *state.Entry
	key       string // today
	decision  Decision
}

// look looks at a path and decides. It returns nil, nil when there is nothing
// for a worker to do. The item is busy, so its fields are this goroutine's.
func (l *Lane) look(ctx context.Context, it *item) (*upload.Job, error) {
	s, err := l.sightOf(ctx, it)
	var stop *indexError
	switch {
	case errors.As(err, &stop):
		l.putBack(it, 0)
		return nil, stop.err
	case err != nil:
		l.lookFailed(it, err)
		return nil, nil
	}
	switch s.decision.Action {
	case upload.Skip:
		return nil, l.passOver(ctx, it, s)
	case upload.Upload:
		return l.send(it, s), nil
	}
	may, err := l.mayRemove(ctx, it, s.decision.Action)
	switch {
	case err != nil:
		l.putBack(it, 0)
		return nil, err
	case !may:
		l.park(it, s)
		return nil, nil
	}
	return l.remove(it, s), nil
}

// An indexError is a failure of the index, which concerns every file.
type indexError struct{ err error }

func (e *indexError) Error() string { return e.err.Error() }

// sightOf returns what is to be known of the item's path. A file that a listing
// found to be new is not looked at a second time: the worker, which opens it,
// sees what has become of it. Where key or filter depend on more than its path,
// it is.
func (l *Lane) sightOf(ctx context.Context, it *item) (sight, error) {
	seen := it.seen
	it.seen = nil
	if seen == nil || l.opt.Expand != nil || l.opt.Filter.bySize() {
		s, err := l.see(ctx, it.path)
		if err == nil && it.doubt && s.disk != nil && s.known != nil && s.decision.Action == upload.Skip {
			s.decision = Decision{upload.Upload, "it is not known whether its object is still there"}
		}
		return s, err
	}
	s := sight{disk: seen, decision: Decide(seen, nil, Rules{Deletes: l.opt.Deletes})}
	var err error
	s.key, err = l.key(it.path, seen.MTime)
	return s, err
}

// see looks at the path, on disk and in the index, and decides.
func (l *Lane) see(ctx context.Context, path string) (sight, error) {
	var s sight
	v, err := l.opt.Tree.Stat(path)
	switch {
	case err == nil:
		s.disk = &v
	case errors.Is(err, upload.ErrNotRegular):
		s.irregular = true
	case !vanished(err):
		return s, err
	}
	if s.known, err = l.opt.Index.Lookup(ctx, path); err != nil {
		return s, &indexError{err}
	}
	r := Rules{Deletes: l.opt.Deletes, Irregular: s.irregular, Leaving: l.consumes()}
	taken, rule := l.opt.Filter.Match(path, false)
	if taken && s.disk != nil {
		taken, rule = l.opt.Filter.sized(v.Size, rule)
	}
	if !taken {
		r.Excluded = rule
	}
	if s.disk != nil && r.Excluded == "" {
		if s.key, err = l.key(path, v.MTime); err != nil {
			return s, err
		}
		r.Rekeyed = s.known != nil && s.key != l.keyOf(path, s.known)
	}
	s.decision = Decide(s.disk, s.known, r)
	return s, nil
}

// vanished says whether the error of a look means that nothing is there.
func vanished(err error) bool {
	return errors.Is(err, upload.ErrVanished) || errors.Is(err, fs.ErrNotExist)
}

// key returns the key that a file gets today.
func (l *Lane) key(path string, mtime int64) (string, error) {
	prefix := l.opt.Prefix
	if l.opt.Expand != nil {
		prefix = l.opt.Expand(path, time.Unix(0, mtime))
	}
	key, err := Key(prefix, path)
	if err == nil && l.opt.Deletes == Trash && strings.HasPrefix(key, l.opt.TrashPrefix) {
		return "", &KeyError{path, ErrKeyTrash}
	}
	return key, err
}

// keyOf returns the key of the object that the index knows.
func (l *Lane) keyOf(path string, known *state.Entry) string {
	if known.Key != "" {
		return known.Key
	}
	if l.opt.Expand != nil {
		return l.opt.Expand(path, time.Unix(0, known.MTime)) + path
	}
	return l.opt.Prefix + path
}

// putBack makes a path due again that nothing was done about.
func (l *Lane) putBack(it *item, wait time.Duration) {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	l.endProbe(it)
	if l.closed {
		l.drop(it)
		return
	}
	l.waitUntil(it, l.q.now()+wait)
}

// passOver ends a look that found nothing to do. A path that is not there and
// is not known may have been a directory: what the index holds below it is
// looked at next.
func (l *Lane) passOver(ctx context.Context, it *item, s sight) error {
	var err error
	rescan := false
	if s.known == nil && s.disk == nil && (!s.irregular || it.cause == Removed) {
		l.q.mu.Lock()
		seq := it.seq // a hint may ask anew meanwhile
		l.q.mu.Unlock()
		rescan, err = l.expand(ctx, it.path, seq)
	}
	q := l.q
	q.mu.Lock()
	now := q.now()
	l.endProbe(it)
	if err != nil {
		l.waitUntil(it, now)
	} else {
		l.setRemoving(it, false)
		l.tally.forgive(it.path)
		it.stays()
		l.finish(it, now)
	}
	l.lookedAt()
	q.mu.Unlock()
	if rescan && l.opt.Rescan != nil {
		l.opt.Rescan()
	}
	if err == nil {
		q.opt.Report(Event{Job: l.name, Action: upload.Skip, Path: it.path, Reason: s.decision.Reason, Final: true})
	}
	return err
}

// send makes a job of a file that is to be in the bucket; nil if that has to wait.
func (l *Lane) send(it *item, s sight) *upload.Job {
	job := &upload.Job{
		Target: l.opt.Target, Action: upload.Upload, Path: it.path, Key: s.key,
		Version: *s.disk, Known: s.known, Reason: s.decision.Reason,
		Live: it.live, Try: it.tries, Lane: it,
	}
	if s.known == nil && (l.asking.Load() || l.opt.Damaged != nil && l.opt.Damaged()) {
		job.Known = &state.Entry{Version: state.Version{Size: s.disk.Size}, Assumed: true}
	}
	if l.opt.Renames && !it.plain {
		if l.hope(it, s) {
			return nil
		}
		if old := l.pair(it, s.disk); old != nil {
			known := *old.entry
			known.Key = l.keyOf(old.path, old.entry)
			job.Action, job.From, job.FromKey, job.Known = upload.Copy, old.path, known.Key, &known
			job.Reason = "renamed from " + old.path
		}
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	it.size = s.disk.Size // which Status adds up at any time
	if it.unknown = s.known == nil; it.unknown {
		l.digest.forgetAbove(it.path) // of comparisons that read the index before
	}
	l.setRemoving(it, false)
	it.stays()
	job.Doubted = job.Action == upload.Upload && l.doubts(it, s.known)
	if job.Action == upload.Upload && l.mustWait(it) {
		return nil
	}
	return job
}

// remove makes a job of a path that is gone, after the guards have agreed; nil if
// it cannot be done.
func (l *Lane) remove(it *item, s sight) *upload.Job {
	job := &upload.Job{
		Target: l.opt.Target, Action: s.decision.Action, Path: it.path, Key: l.keyOf(it.path, s.known),
		Known: s.known, Reason: s.decision.Reason, Try: it.tries, Lane: it,
	}
	if it.renamed {
		job.Reason = "renamed"
	}
	if job.Action == upload.Trash {
		key, err := Key(l.opt.TrashPrefix, job.Key)
		if err != nil {
			l.lookFailed(it, err)
			return nil
		}
		job.TrashKey = key
	}
	return job
}

// lookFailed ends a look that failed as if a worker had said so.
func (l *Lane) lookFailed(it *item, err error) {
	l.q.Done(&upload.Job{Target: l.opt.Target, Action: upload.Upload, Path: it.path, Lane: it}, upload.Result{Err: err})
}
