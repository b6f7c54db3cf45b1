package plan

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// maxFailures bounds the failures that a lane remembers by name.
const maxFailures = 1000

// A State is what a lane is doing, in the words of `osssync status`.
type State string

// The states of a lane.
const (
	Scanning State = "scanning" // no full scan has ended yet
	Watching State = "watching"
	Paused   State = "paused" // by Pause, or deletions wait for Approve
	Failing  State = "error"  // the bucket or the credential refuses everything
)

// A Failure is a file that is not in the bucket as it should be.
type Failure struct {
	Path  string
	Err   error
	Tries int       // failed attempts since the last success
	Since time.Time // first of them
	Next  time.Time // next attempt; zero: when the file changes or at the next scan
}

// Status is a snapshot of a lane.
type Status struct {
	State  State
	Reason string // why it is paused or failing, or why deletions are held
	Hold   HoldError

	Indexed, IndexedBytes   int64 // what the index holds
	Pending, PendingBytes   int64 // paths that something may have to be done about, handed out or not
	OldestPending           time.Duration
	InFlight                int
	Uploaded, UploadedBytes int64 // since the lane began; bytes as sent
	Copied, Deleted         int64
	Unchanged               int64     // files that the last scan found as the index has them
	Failures                []Failure // at most 1,000, by path
	Failed                  int64     // how many there are
}

// A failure is a Failure and when it happened last.
type failure struct {
	Failure
	last time.Duration
}

// tally is what a lane has done.
type tally struct {
	uploaded, bytes int64
	copied, deleted int64
	failures        map[string]*failure
	more            int64 // failures without a name since the last scan
}

// count counts something done.
func (t *tally) count(a upload.Action, bytes int64) {
	switch a {
	case upload.Upload:
		t.uploaded++
		t.bytes += bytes
	case upload.Copy:
		t.copied++
	case upload.Delete, upload.Trash:
		t.deleted++
	}
}

// blame remembers a failure.
func (t *tally) blame(it *item, err error, next time.Time) {
	f := t.failures[it.path]
	if f == nil {
		if len(t.failures) >= maxFailures {
			t.more++
			return
		}
		f = &failure{Failure: Failure{Path: it.path, Since: time.Now()}}
		t.failures[it.path] = f
	}
	f.Err, f.Next, f.last = err, next, it.lane.q.now()
	f.Tries++
}

// forgive forgets the failure of a path.
func (t *tally) forgive(path string) {
	delete(t.failures, path)
}

// list returns the failures by path.
func (t *tally) list() []Failure {
	list := make([]Failure, 0, len(t.failures))
	for _, f := range t.failures {
		list = append(list, f.Failure)
	}
	slices.SortFunc(list, func(a, b Failure) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// Status returns what the lane is doing. Its error is that of LaneOptions.Count.
func (l *Lane) Status(ctx context.Context) (Status, error) {
	files, bytes, err := l.indexed(ctx)
	if err != nil {
		return Status{}, err
	}
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Status{
		Indexed: files, IndexedBytes: bytes, InFlight: len(l.busy),
		Uploaded: l.tally.uploaded, UploadedBytes: l.tally.bytes,
		Copied: l.tally.copied, Deleted: l.tally.deleted,
		Unchanged: l.scan.last, Failures: l.tally.list(),
		Hold: l.gone.hold,
	}
	s.Failed = int64(len(s.Failures)) + l.tally.more
	now := q.now()
	for _, it := range l.items {
		if it.stage == resting {
			continue
		}
		s.Pending++
		s.PendingBytes += it.size
		s.OldestPending = max(s.OldestPending, now-it.since)
	}
	s.State, s.Reason = l.state()
	return s, nil
}

// state returns the lane's state and its reason. The mutex is held.
func (l *Lane) state() (State, string) {
	hold := l.gone.hold
	switch {
	case l.halt.dead != nil:
		return Failing, l.halt.dead.Error()
	case l.halt.err != nil:
		return Failing, l.halt.err.Error()
	case l.paused:
		return Paused, "paused by hand"
	case hold.Doubt != NoDoubt && (l.destroys() || hold.Doubt == RootUnread):
		return Paused, hold.Error()
	case l.gone.rootErr != nil:
		return Paused, SourceUnread + l.gone.rootErr.Error()
	case !l.scan.once:
		return Scanning, hold.Reason
	}
	return Watching, hold.Reason
}

// A Story is what a lane knows of one path.
type Story struct {
	Pending bool
	Doing   string        // "waiting", "in line", "in flight" or "held", if Pending
	Since   time.Duration // how long
	Next    time.Duration // until it is looked at; 0 if it is in flight or in line
	Failure *Failure      // nil if the last attempt did not fail
	Taken   bool          // by the filter; sizes included if the file is there
	Rule    string        // the rule that decided, "" for none
}

// Story tells what is known of a path, for `osssync why`.
func (l *Lane) Story(path string) Story {
	var s Story
	if v, err := l.opt.Tree.Stat(path); err == nil {
		s.Taken, s.Rule = l.opt.Filter.MatchFile(path, v.Size)
	} else {
		s.Taken, s.Rule = l.opt.Filter.Match(path, errors.Is(err, upload.ErrNotRegular))
	}
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := l.tally.failures[path]; f != nil {
		g := f.Failure
		s.Failure = &g
	}
	it := l.items[path]
	if it == nil || it.stage == resting {
		return s
	}
	now := q.now()
	s.Pending, s.Since = true, now-it.since
	switch it.stage {
	case waiting:
		s.Doing, s.Next = "waiting", max(0, it.due-now)
	case backlog, shelved:
		s.Doing = "in line"
	case busy:
		s.Doing = "in flight"
	case parked:
		s.Doing = "held"
	}
	return s
}
