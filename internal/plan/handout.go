package plan

import (
	"context"
	"time"
)

// ready says whether take has something to give.
func (l *Lane) ready(now time.Duration) bool {
	if l.judgeDue(now) {
		return true
	}
	if l.blocked(now) {
		return false
	}
	l.wakeResting(now)
	return len(l.due) > 0 && l.due[0].due <= now || l.backlog.peek() || l.shelfDue() || l.dirtyDue()
}

// wakeResting drops the items that have not changed for long enough.
func (l *Lane) wakeResting(now time.Duration) {
	for len(l.due) > 0 && l.due[0].stage == resting && l.due[0].due <= now {
		l.drop(l.due[0])
	}
}

// next returns when ready may become true by the passage of time, which may be
// in the past.
func (l *Lane) next() (time.Duration, bool) {
	at, ok := l.judgeAt()
	if l.blockedForever() {
		return at, ok
	}
	due, more := time.Duration(0), true
	switch {
	case l.backlog.peek() || l.shelfDue() || l.dirtyDue():
	case len(l.due) > 0:
		due = l.due[0].due
	default:
		more = false
	}
	if more {
		due = max(due, l.halt.probeAt)
		if !ok || due < at {
			at, ok = due, true
		}
	}
	return at, ok
}

// take gives out work; ready has just said that there is some.
func (l *Lane) take(now time.Duration) work {
	if l.judgeDue(now) {
		l.gone.judging = true
		return work{lane: l, task: judge}
	}
	hinted := len(l.due) > 0 && l.due[0].due <= now
	var it *item
	switch {
	case l.shelfDue():
		it = l.shelf.pop()
		it.first = now
		l.takePlace(it)
	case hinted && (l.streak < newestShare || !l.backlog.peek()):
		it = l.due[0]
		it.found = false
		l.streak++
	case l.backlog.peek():
		it = l.backlog.pop()
		it.first, it.found = now, true
		l.streak = 0
	default:
		l.fill.listing = true
		return work{lane: l, task: list}
	}
	l.move(it, busy)
	l.looking.Add(1)
	it.started = now
	it.live = l.wantsSnapshot(it, now)
	if l.halt.err != nil {
		l.halt.probe = it
	}
	return work{lane: l, task: look, item: it}
}

// wantsSnapshot says whether a file is to be sent though it is open or changing.
// One that was not found so, but waited for the bucket or its turn, is sent like
// any other: a snapshot costs a second reading, and proves less.
func (l *Lane) wantsSnapshot(it *item, now time.Duration) bool {
	if l.hurry {
		return true
	}
	return it.stuck > 0 && l.opt.MaxWait > 0 && now >= l.snapshotAt(it)
}

// snapshotAt is when a snapshot of a file that stays open is due.
func (l *Lane) snapshotAt(it *item) time.Duration {
	return max(it.first+l.opt.MaxWait, it.calm)
}

// idle says whether nothing is left to be done but what is held or paused.
func (l *Lane) idle() bool {
	if l.halt.dead != nil || l.closed || l.paused {
		return len(l.busy) == 0
	}
	return l.active() == l.gone.held && len(l.fill.dirs) == 0 && !l.fill.listing && !l.gone.judging
}

// listen returns a channel that is closed at the lane's next change.
func (l *Lane) listen() <-chan struct{} {
	if l.change == nil {
		l.change = make(chan struct{})
	}
	return l.change
}

// signal tells those who listen.
func (l *Lane) signal() {
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
}

// waitRoom blocks until a scan may put in another path. The mutex is held when
// it is called and when it returns, not between.
func (l *Lane) waitRoom(ctx context.Context) error {
	for l.ahead() >= maxScan || !l.fits() {
		if err := l.ended(); err != nil {
			return err
		}
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room, change := l.room, l.listen()
		if l.ahead() >= maxScan {
			change = nil // room tells, and less often
		}
		l.q.mu.Unlock()
		select {
		case <-room:
		case <-change:
		case <-ctx.Done():
		}
		l.q.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
