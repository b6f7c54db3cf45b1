package plan

import (
	"context"
	"slices"
)

// Pause stops handing out jobs of the lane; hints and listings are still taken.
func (l *Lane) Pause() { l.setPaused(true) }

// Resume ends Pause.
func (l *Lane) Resume() { l.setPaused(false) }

func (l *Lane) setPaused(on bool) {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	l.paused = on
	l.signal()
	q.nudge(0)
}

// Retry makes due at once whatever waits after a failure, and ends the pause of
// a lane whose bucket refused everything. Files that failed for good are looked
// at again.
func (l *Lane) Retry() {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	l.recover()
	for _, it := range l.items {
		if it.stage == waiting && it.tries > 0 {
			it.notBefore = 0
			l.waitUntil(it, now)
		}
	}
	for path := range l.tally.failures {
		if l.items[path] == nil && !l.closed && l.halt.dead == nil {
			l.sequence++
			l.hint(path, Moved, l.sequence, now)
		}
	}
}

// Hurry ends all waiting for quiet: what is due later is due now, oldest first,
// and files that are open are sent as snapshots. It is for an instance that is
// about to be taken away, and cannot be undone.
func (l *Lane) Hurry() {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	l.hurry = true
	for _, it := range l.items {
		it.calm, it.cooldown = 0, 0
		if it.failing {
			continue
		}
		it.notBefore = 0
		if it.stage == waiting {
			l.waitUntil(it, it.first)
		}
	}
}

// Close ends the lane: it takes and hands out nothing more. It returns when no
// job of it is in flight, or with ctx.Err(); the lane is closed in any case.
func (l *Lane) Close(ctx context.Context) error {
	q := l.q
	q.mu.Lock()
	l.closed = true
	for _, it := range l.items {
		if it.stage != busy {
			l.drop(it)
		}
	}
	clear(l.fill.dirs)
	l.release()
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
	l.signal()
	for len(l.busy) > 0 {
		change := l.listen()
		q.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
		q.mu.Lock()
	}
	q.lanes = slices.DeleteFunc(q.lanes, func(other *Lane) bool { return other == l })
	q.pass()
	q.mu.Unlock()
	return nil
}

// Ask has a file that the index does not know compared with the object of its
// key before it is sent: there may be objects that the index lost.
func (l *Lane) Ask() { l.asking.Store(true) }
