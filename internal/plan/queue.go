package plan

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// A Queue hands out what is to be done about the files of all jobs, to as many
// workers as ask. It implements [upload.Source]. It has no goroutine of its own:
// files are looked at, and the index is asked, by the goroutine that calls Next.
//
// Of the lanes that have something due, the one with the fewest jobs in flight
// for its weight is served, so that no job starves another. Safe for concurrent
// use.
type Queue struct {
	opt  Options
	base time.Time // what times in this package count from

	mu       sync.Mutex
	lanes    []*Lane
	turn     int // lane to begin with when several are equal
	large    int // large files handed out
	draining bool

	// Of all that wait in Next, one, the keeper, has a timer; whoever leaves
	// with a job wakes another to be it.
	waiters []*waiter
	keeper  *waiter
	until   time.Duration // when the keeper's timer fires
	waking  int           // waiters that were woken and have not looked yet
}

// A waiter is a caller of Next for whom there was nothing.
type waiter struct {
	wake  chan struct{} // closed to wake it
	woken bool          // off the list
}

// A task is what a caller of Next is to do.
type task int

const (
	look  task = iota // at one path
	judge             // whether what vanished may be deleted
	list              // a directory whose paths were too many to remember
)

// A work is a task of a lane; item is set for look.
type work struct {
	lane *Lane
	task task
	item *item
}

// NewQueue returns a queue without lanes. It starts nothing.
func NewQueue(opt Options) *Queue {
	if opt.Report == nil {
		opt.Report = func(Event) {}
	}
	return &Queue{opt: opt, base: time.Now()}
}

// now returns the time since the queue was made.
func (q *Queue) now() time.Duration { return time.Since(q.base) }

// Next implements [upload.Source]. It looks at paths that are due until it finds
// one that has something to be done. After Drain, and once nothing is left, it
// returns io.EOF. Any other error is ctx.Err() or the index's: then nothing is
// lost, the path stays due.
func (q *Queue) Next(ctx context.Context) (*upload.Job, error) {
	for {
		w, err := q.take(ctx)
		if err != nil {
			return nil, err
		}
		switch w.task {
		case judge:
			err = w.lane.judge(ctx)
		case list:
			err = w.lane.listDirty(ctx)
		default:
			var job *upload.Job
			job, err = w.lane.look(ctx, w.item)
			if w.lane.looked(); job != nil {
				return job, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// take blocks until there is something to do.
func (q *Queue) take(ctx context.Context) (work, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			q.pass()
			return work{}, err
		}
		now := q.now()
		if w, ok := q.pick(now); ok {
			q.pass()
			return w, nil
		}
		if q.draining && q.idle() {
			q.pass()
			return work{}, io.EOF
		}
		q.wait(ctx, now)
	}
}

// pick chooses the lane to serve and takes work from it.
func (q *Queue) pick(now time.Duration) (work, bool) {
	var best *Lane
	for i := range q.lanes {
		l := q.lanes[(q.turn+i)%len(q.lanes)]
		if !l.ready(now) {
			continue
		}
		if best == nil || len(l.busy)*best.opt.Weight < len(best.busy)*l.opt.Weight {
			best = l
		}
	}
	if best == nil {
		return work{}, false
	}
	q.turn = slices.Index(q.lanes, best) + 1
	return best.take(now), true
}

// wait blocks until woken, until something is due, or until ctx is done. The
// mutex is held when it is called and when it returns, not between.
func (q *Queue) wait(ctx context.Context, now time.Duration) {
	w := &waiter{wake: make(chan struct{})}
	q.waiters = append(q.waiters, w)
	var due <-chan time.Time
	if next, ok := q.next(); ok && q.keeper == nil {
		timer := time.NewTimer(next - now)
		defer timer.Stop()
		due = timer.C
		q.keeper, q.until = w, next
	}
	q.mu.Unlock()
	select {
	case <-w.wake:
	case <-due:
	case <-ctx.Done():
	}
	q.mu.Lock()
	if w.woken {
		q.waking--
		return
	}
	q.leave(w)
}

// leave takes a waiter off the list.
func (q *Queue) leave(w *waiter) {
	i := len(q.waiters) - 1
	for q.waiters[i] != w {
		i--
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	if q.keeper == w {
		q.keeper = nil
	}
}

// next returns when the first thing is due in any lane.
func (q *Queue) next() (time.Duration, bool) {
	var first time.Duration
	found := false
	for _, l := range q.lanes {
		if due, ok := l.next(); ok && (!found || due < first) {
			first, found = due, true
		}
	}
	return first, found
}

// wake makes one waiter look again.
func (q *Queue) wake(w *waiter) {
	q.leave(w)
	w.woken = true
	q.waking++
	close(w.wake)
}

// pass is called by whoever stops waiting: it sees to it that another waiter
// takes what is left, or keeps the time.
func (q *Queue) pass() {
	if len(q.waiters) == 0 {
		return
	}
	next, ok := q.next()
	switch {
	case q.draining && q.idle():
		for len(q.waiters) > 0 {
			q.wake(q.waiters[0])
		}
	case q.waking > 0:
		// It will pass in its turn.
	case ok && (q.keeper == nil || next <= q.now()):
		q.wake(q.waiters[len(q.waiters)-1])
	}
}

// nudge is called when something became due at due, which may be in the future.
func (q *Queue) nudge(due time.Duration) {
	switch {
	case len(q.waiters) == 0:
	case q.keeper != nil && due > q.now():
		if due < q.until {
			q.wake(q.keeper)
		}
	case q.waking == 0:
		// One at a time: whoever has taken something wakes the next.
		q.wake(q.waiters[len(q.waiters)-1])
	}
}

// Drain says that no more hints and listings will come. Next returns io.EOF once
// all that is known is done or has failed for good; held deletions and paused
// lanes are left.
func (q *Queue) Drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	q.nudge(0)
}

// idle says whether nothing is left to be done.
func (q *Queue) idle() bool {
	for _, l := range q.lanes {
		if !l.idle() {
			return false
		}
	}
	return true
}

// WaitIdle returns when there is nothing left to be done in any lane, in the
// sense of Drain, or with ctx.Err().
func (q *Queue) WaitIdle(ctx context.Context) error {
	for {
		q.mu.Lock()
		var change <-chan struct{}
		for _, l := range q.lanes {
			if !l.idle() {
				change = l.listen()
				break
			}
		}
		q.mu.Unlock()
		if change == nil {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// report tells of outcomes. The mutex must not be held.
func (q *Queue) report(events []Event) {
	for _, e := range events {
		q.opt.Report(e)
	}
}
