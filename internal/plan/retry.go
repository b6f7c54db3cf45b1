package plan

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// Waits before the next attempt. Where a file or the server failed, the wait is
// drawn between nothing and the bound ("full jitter"), which spreads a herd best;
// where a file is only being written, waiting longer than needed delays it for
// nothing, so the wait is exact.
const (
	transientFirst = 100 * time.Millisecond // doubling
	transientMost  = time.Minute
	fileFirst      = time.Second // doubling
	fileMost       = 10 * time.Minute
	fileTries      = 10                   // then the next scan sees it
	busyFirst      = 5 * time.Millisecond // growing by half
	busyMost       = 250 * time.Millisecond
	busyLong       = 2 * time.Second // after busyPatience
	busyPatience   = 10 * time.Second
	busyLongest    = 30 * time.Second // after busyForever
	busyForever    = 10 * time.Minute
	changedFirst   = 50 * time.Millisecond // doubling
	changedMost    = 5 * time.Second
	snapshotFirst  = time.Second // doubling; after a snapshot that could not be proven
	snapshotMost   = time.Minute
)

// An attempt is what is to be known of one that failed.
type attempt struct {
	tries    int // failed before, in a row
	stuck    int // found open or changing before, in a row
	stuckFor time.Duration
	live     bool // it was to take a snapshot
	copying  bool // it was a copy
	maxTries int
	maxWait  time.Duration
}

// A verdict says what follows from a failure.
type verdict struct {
	wait    time.Duration
	hold    bool // wait even if the file is hinted: it is not the file's fault
	stuck   bool // not a failure: the file is being written
	relook  bool // not a failure: what the planner saw is no longer so
	stopped bool // not a failure: the worker had to stop
	plain   bool // not a failure: what was tried as a copy is to be uploaded
	lane    bool // concerns every file of the job
	final   bool // no use before the file changes or a scan sees it
}

// judgeError says what follows from err. jitter returns a number in [0, 1).
func judgeError(err error, a attempt, jitter func() float64) verdict {
	var req *upload.RequestError
	var key *KeyError
	var file *upload.FileError
	var v verdict
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &req):
		// The worker was stopped. It takes no more jobs, so no wait is needed.
		return verdict{relook: true, stopped: true}
	case errors.Is(err, upload.ErrBusy), errors.Is(err, upload.ErrChanged):
		return judgeStuck(err, a)
	case errors.Is(err, upload.ErrVanished), errors.Is(err, upload.ErrNotRegular):
		v := verdict{relook: true, final: a.maxTries > 0 && a.tries > a.maxTries}
		if a.tries > 0 {
			v.wait = backoff(a.tries, changedFirst, changedMost)
		}
		return v
	case errors.Is(err, upload.ErrNoCopy):
		return verdict{plain: true}
	case errors.As(err, &req):
		v = judgeRequest(req, a, jitter)
	case errors.As(err, &key), errors.Is(err, fs.ErrPermission), errors.Is(err, upload.ErrTrashTaken):
		v = verdict{final: true}
	case errors.As(err, &file), errors.As(err, new(*fs.PathError)):
		v = verdict{wait: spread(backoff(a.tries, fileFirst, fileMost), jitter), final: a.tries+1 >= fileTries}
	default:
		v = verdict{hold: true, wait: spread(backoff(a.tries, transientFirst, transientMost), jitter)}
	}
	if a.maxTries > 0 && a.tries+1 >= a.maxTries && !v.lane && !v.plain {
		v.final = true
	}
	return v
}

// judgeStuck is judgeError for a file that is being written.
func judgeStuck(err error, a attempt) verdict {
	v := verdict{stuck: true}
	switch {
	case a.live:
		v.wait = backoff(a.stuck, snapshotFirst, snapshotMost)
	case errors.Is(err, upload.ErrChanged):
		v.wait = backoff(a.stuck, changedFirst, changedMost)
	case a.stuckFor >= busyForever:
		v.wait = busyLongest
	case a.stuckFor >= busyPatience:
		v.wait = busyLong
	default:
		v.wait = busyFirst
		for range min(a.stuck, 20) {
			v.wait = min(v.wait*3/2, busyMost)
		}
	}
	// A pass that is to end does not wait for a file that nobody closes.
	v.final = a.maxTries > 0 && (a.live && a.stuck >= a.maxTries || a.maxWait == 0 && a.stuckFor >= busyPatience)
	return v
}

// judgeRequest is judgeError for what OSS answered.
func judgeRequest(req *upload.RequestError, a attempt, jitter func() float64) verdict {
	switch req.Class {
	case upload.Credential, upload.ThisJob:
		return verdict{lane: true, hold: true}
	case upload.ThisFile, upload.Missing, upload.Conflict:
		if a.copying {
			return verdict{plain: true}
		}
		if req.Class == upload.ThisFile {
			return verdict{final: true}
		}
	}
	wait := spread(backoff(a.tries, transientFirst, transientMost), jitter)
	return verdict{hold: true, wait: max(wait, req.RetryAfter)}
}

// backoff returns first doubled n times, most at most.
func backoff(n int, first, most time.Duration) time.Duration {
	for ; n > 0 && first < most; n-- {
		first *= 2
	}
	return min(first, most)
}

// spread returns a random part of bound.
func spread(bound time.Duration, jitter func() float64) time.Duration {
	return time.Duration(jitter() * float64(bound))
}

const (
	// A lane whose bucket or credential refuses everything tries one file at
	// these intervals, doubling.
	probeFirst = 5 * time.Second
	probeMost  = time.Minute
	// Without a credential a probe costs no request.
	probeMostCredential = 15 * time.Second
)

// A trouble is what stops a lane: an error that any of its files would meet.
type trouble struct {
	err     error // nil: none
	dead    error // it stopped the lane for good
	since   time.Duration
	wait    time.Duration // between probes
	probeAt time.Duration // next probe; 0 when there is no trouble
	probe   *item         // being tried now
	probes  int
}

// blocked says that no file is handed out now.
func (l *Lane) blocked(now time.Duration) bool {
	return l.blockedForever() || now < l.halt.probeAt
}

// blockedForever says that time alone will not change blocked.
func (l *Lane) blockedForever() bool {
	return l.paused || l.closed || l.halt.dead != nil || l.halt.probe != nil
}

// stop halts the lane after an error that concerns all its files.
func (l *Lane) stop(it *item, e Event, err error, now time.Duration) []Event {
	h := &l.halt
	switch {
	case h.err == nil:
		*h = trouble{since: now, wait: probeFirst}
	case h.probe == it:
		most := probeMost
		if errors.Is(err, upload.Credential) {
			most = probeMostCredential
		}
		h.wait = min(2*h.wait, most)
		h.probe = nil
	default:
		// Was under way when the trouble began; it says nothing new.
		h.err = err
		l.waitUntil(it, now)
		return nil
	}
	h.err, h.probeAt = err, now+h.wait
	h.probes++
	e.Try, e.Wait = h.probes, h.wait
	var req *upload.RequestError
	if errors.As(err, &req) && req.RetryAfter > h.wait {
		h.probeAt = now + req.RetryAfter
		e.Wait = req.RetryAfter
	}
	if l.q.opt.MaxTries > 0 { // a pass that is to end has nothing to wait for
		return l.kill(it, e, err)
	}
	// The end of the line, so that another file is tried next: it may be this
	// one's fault after all.
	it.again = false
	l.waitUntil(it, now)
	return []Event{e}
}

// kill ends a lane for good, in a pass that is to end.
func (l *Lane) kill(it *item, e Event, err error) []Event {
	l.halt.dead = err
	e.Final, e.Wait = true, 0
	events := []Event{e}
	l.tally.blame(it, err, time.Time{})
	for _, other := range l.items {
		switch {
		case other == it:
		case other.stage == busy:
			continue // fails by itself
		case other.stage != resting && other.stage != parked:
			l.tally.blame(other, err, time.Time{})
			events = append(events, Event{Job: l.name, Action: upload.Upload, Path: other.path, Err: err, Final: true})
		}
		l.drop(other)
	}
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
	return events
}

// answered ends the trouble if what was done proves that the bucket answers.
func (l *Lane) answered(it *item, a upload.Action) {
	switch a {
	case upload.Upload, upload.Copy, upload.Delete, upload.Trash:
		l.recover()
	default:
		l.endProbe(it)
	}
}

// answeredError ends the trouble if the bucket said something about one file.
func (l *Lane) answeredError(it *item, err error) {
	var req *upload.RequestError
	if errors.As(err, &req) && req.Class != upload.Transient {
		l.recover()
		return
	}
	l.endProbe(it)
}

// recover lets the lane go on.
func (l *Lane) recover() {
	if l.halt.err == nil {
		return
	}
	l.halt = trouble{dead: l.halt.dead}
	l.q.nudge(0)
}

// endProbe lets another file be tried where this one proved nothing.
func (l *Lane) endProbe(it *item) {
	if l.halt.probe != it {
		return
	}
	l.halt.probe = nil
	l.q.nudge(0)
}
