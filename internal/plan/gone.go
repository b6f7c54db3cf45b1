package plan

import (
	"fmt"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

const (
	// gatherQuiet is how long no file may have vanished before the guards are
	// asked about those that have, and gatherMost after the first of them.
	gatherQuiet = 2 * time.Second
	gatherMost  = 30 * time.Second

	// gatherBusy bounds how long the guards are not asked while files wait for
	// a look, or are being looked at, that the vanished ones may have been renamed
	// to, as those of a directory that takes long to copy.
	gatherBusy = 10 * time.Minute
)

// gone is a lane's memory of vanished files, and of the directory they vanished
// from.
type gone struct {
	count   int   // items parked
	held    int   // of those, refused by the guards
	claimed int   // of those, being copied to a new path
	lost    int64 // vanished too, but there was no room; for a scan to find
	byID    map[state.FileID][]*item

	since, last time.Duration // first and last to be parked since the guards were asked
	asked       bool          // the guards know of all that are parked
	judging     bool
	agreed      agreed

	root   state.Identity // the source; zero: not known yet
	frozen bool
	hold   HoldError // Doubt is NoDoubt: nothing is held
	recent window

	// What the last scan said.
	rootErr   error
	unread    int
	unreadOne string
	empty     bool // also set by a look at the source
	other     state.Identity
	otherSeen int // complete scans in a row that found files in other

	// What was approved.
	allow      int64 // deletions
	allowUntil time.Duration
	allowEmpty bool
	rivalUntil time.Duration // until then LaneOptions.Rival is not asked
}

// park keeps a path that is to be deleted or forgotten until the guards agree.
func (l *Lane) park(it *item, s sight) {
	l.q.mu.Lock()
	events := l.parkLocked(it, s)
	l.q.mu.Unlock()
	l.q.report(events)
}

// parkLocked is park with the mutex held.
func (l *Lane) parkLocked(it *item, s sight) []Event {
	q := l.q
	now := q.now()
	keeps := s.decision.Action != upload.Delete && s.decision.Action != upload.Trash
	l.endProbe(it)
	it.cleared = false
	g := &l.gone
	switch {
	case l.closed || it.again:
		l.setRemoving(it, false)
		l.finish(it, now)
		return nil
	case g.count >= maxParked:
		g.lost++
		l.drop(it)
		if g.hold.Doubt == NoDoubt {
			g.asked = false
			l.judgeSoon()
		} else {
			g.hold.Held++ // nothing that the guards would judge otherwise
		}
		if keeps {
			return nil
		}
		return l.heldBack(it.path, s.known, HoldError{TooMany, fmt.Sprintf("more than %d files are gone at once; this one waits for the next scan", maxParked), 1})
	}
	if g.asked || g.count == 0 {
		g.since = now
	}
	g.asked, g.last = false, now
	l.setRemoving(it, false)
	l.setScan(it, false)
	l.move(it, parked)
	it.entry = s.known
	if keeps {
		// Nothing is owed to the bucket.
		l.answer(it)
		it.keeps = true
	}
	if s.disk == nil && !s.irregular && pairable(s.known) {
		it.paired = true
		g.byID[s.known.FileID] = append(g.byID[s.known.FileID], it)
		l.fulfil(s.known.FileID)
	}
	g.count++
	l.judgeSoon()
	return nil
}

// unpark forgets what parking an item remembered.
func (l *Lane) unpark(it *item) {
	g := &l.gone
	g.count--
	if it.held {
		g.held--
	}
	if it.to != nil {
		g.claimed--
		it.to.from, it.to = nil, nil
	}
	if it.paired {
		id := it.entry.FileID
		left := g.byID[id][:0]
		for _, other := range g.byID[id] {
			if other != it {
				left = append(left, other)
			}
		}
		if len(left) == 0 {
			delete(g.byID, id)
		} else {
			g.byID[id] = left
		}
	}
	it.entry, it.held, it.keeps, it.paired = nil, false, false, false
}

// judgeAt returns when the guards are to be asked, if they are.
func (l *Lane) judgeAt() (time.Duration, bool) {
	g := &l.gone
	switch {
	case g.asked || g.judging || l.closed || l.paused || l.halt.dead != nil:
		return 0, false
	case g.count == g.claimed && g.lost == 0:
		return 0, false
	case l.scan.running() && !l.q.draining:
		return 0, false // it knows best what else vanished, and what cannot be read; Scanned asks
	case g.count >= maxParked:
		return 0, true // no room: judge what there is
	case l.q.draining:
		return 0, l.active() == g.count && len(l.busy) == 0
	}
	at := min(g.last+gatherQuiet, g.since+gatherMost)
	if l.behind() {
		at = max(at, g.since+gatherBusy)
	}
	return at, true
}

// judgeSoon sees to it that the guards are asked when it is time.
func (l *Lane) judgeSoon() {
	if at, ok := l.judgeAt(); ok {
		l.q.nudge(at)
	}
}

// behind says whether there are files that wait for a look or are being looked at:
// each of them may be what a vanished one was renamed to.
func (l *Lane) behind() bool {
	return l.opt.Renames && (l.looking.Load() > 0 || l.backlog.peek() || len(l.due) > 0 && l.due[0].stage == waiting && l.due[0].due <= l.q.now())
}

// looked ends a look.
func (l *Lane) looked() {
	if l.looking.Add(-1) > 0 || !l.opt.Renames {
		return
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	l.lookedAt()
}

// lookedAt is called when a file less waits for a look.
func (l *Lane) lookedAt() {
	if l.gone.count == 0 || l.behind() {
		return
	}
	l.judgeSoon()
}

// judgeDue says whether the guards are to be asked now.
func (l *Lane) judgeDue(now time.Duration) bool {
	at, ok := l.judgeAt()
	return ok && at <= now
}
