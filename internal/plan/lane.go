package plan

import (
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/internal/state"
)

const (
	// maxActive bounds the paths that a lane remembers.
	maxActive = 65_536
	// maxParked bounds how many of them are vanished files.
	maxParked = maxActive / 2
	// maxScan bounds how many of them a scan may put in before it waits. It goes
	// on when there is room for scanStep more, which take so little time that the
	// workers do not notice.
	maxScan  = maxActive / 8
	scanStep = 64
	// maxDirty bounds the directories that are remembered in place of paths.
	maxDirty = 4096

	// closeSettle is how long a closed file is left alone: programs that write
	// a file and rename it do so within 0.1 ms, so that the name is seldom seen.
	closeSettle = 2 * time.Millisecond
	// closeMost bounds what closing again and again can put off.
	closeMost = 100 * time.Millisecond

	// newestShare is how many hinted paths are taken for one of the backlog
	// while both wait: changes come first, but the backlog never stands still.
	newestShare = 8
)

// A Lane is the queue of one job. Its methods are safe for concurrent use.
type Lane struct {
	q    *Queue
	opt  LaneOptions
	name string

	// All below is guarded by q.mu.

	items    map[string]*item
	due      heap // waiting and resting
	backlog  line
	streak   int // hinted paths taken in a row while the backlog waited
	shelf    shelf
	busy     []*item // handed out; pos is the place in it
	resting  int
	scanned  int // items with scan set
	removing int // items with removing set

	hopes  hopes
	gone   gone
	scan   scan
	fill   overflow
	halt   trouble
	tally  tally
	digest digests

	sequence uint64
	barriers []*barrier
	open     []uint64 // numbers of the listings that are being compared

	recheck chan struct{} // holds one while the guards are asked again
	asking  atomic.Bool   // by Ask
	looking atomic.Int64  // looks that have begun and not ended
	paused  bool          // by Pause
	closed  bool
	hurry   bool
	room    chan struct{} // closed when a blocked scan may go on; nil when none is
	change  chan struct{} // closed at the next change; nil when nobody listens
}

// Lane adds the queue of a job. It begins in the state scanning.
func (q *Queue) Lane(opt LaneOptions) *Lane {
	if opt.Weight == 0 {
		opt.Weight = 1
	}
	if opt.Filter == nil {
		opt.Filter = &Filter{rules: builtin()}
	}
	if opt.consumes() {
		// The agent itself empties such a source: nothing follows from a
		// file that is gone.
		opt.Deletes = Keep
	}
	l := &Lane{
		q:       q,
		opt:     opt,
		name:    opt.Target.Name,
		items:   map[string]*item{},
		backlog: line{stage: backlog},
		shelf:   newShelf(),
		digest:  newDigests(&opt),
		hopes:   hopes{byID: map[state.FileID][]*item{}},
		gone:    gone{byID: map[state.FileID][]*item{}, root: opt.Root, frozen: opt.Frozen},
		recheck: make(chan struct{}, 1),
		fill:    overflow{dirs: map[string]uint64{}},
		tally:   tally{failures: map[string]*failure{}},
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lanes = append(q.lanes, l)
	return l
}

// Hint says that the file at path, relative to the source with / separators, may
// have changed. It does not block.
func (l *Lane) Hint(path string, c Cause) {
	if l.ignores(path, c) {
		return
	}
	q := l.q
	q.mu.Lock()
	if l.ended() != nil {
		q.mu.Unlock()
		return
	}
	l.sequence++
	l.digest.forget(path)
	rescan := l.hint(path, c, l.sequence, q.now())
	q.mu.Unlock()
	if rescan && l.opt.Rescan != nil {
		l.opt.Rescan()
	}
}

// ignores says whether a hint can be passed over because the filter leaves the
// path out. What the index may still hold of it is for the scan to find.
func (l *Lane) ignores(path string, c Cause) bool {
	taken, _ := l.opt.Filter.Match(path, false)
	return !taken && (c != Removed || l.opt.Filter.ExcludesDir(path))
}

// hint makes the path due. It returns true when that was one too many, and a
// full scan is needed. The mutex is held, as in all methods below that do not
// say otherwise.
func (l *Lane) hint(path string, c Cause, seq uint64, now time.Duration) (rescan bool) {
	it := l.items[path]
	if it == nil {
		if !l.fits() {
			dir, _ := split(path)
			return l.remember(dir, seq)
		}
		it = &item{lane: l, path: path, since: now, first: now}
		l.items[path] = it
		l.ask(it, seq)
		l.schedule(it, c, now)
		return false
	}
	switch {
	case it.stage == busy, it.stage == parked && it.to != nil:
		if !it.again {
			it.again, it.againSeq, it.againTime = true, seq, now
			l.ask(it, seq) // where the older hint is answered already
		}
		it.againCause = c
		return false
	case it.stage == shelved && c != Removed:
		// It is looked at when its turn comes; to wait anew would be for ever.
		l.ask(it, seq)
		return false
	case it.stage == resting, it.stage == parked:
		it.since, it.first = now, now
		l.ask(it, seq)
	case it.stage == backlog:
		it.first = now
	}
	if it.fault && (it.stuck == 0 || c != Changed) {
		it.tries, it.stuck, it.fault = 0, 0, false
	}
	l.schedule(it, c, now)
	return false
}

// fits says whether another path can be remembered. Resting ones give way, when
// they are enough to be worth looking for.
func (l *Lane) fits() bool {
	if len(l.items) < maxActive {
		return true
	}
	if l.resting < maxActive/16 {
		return false
	}
	for _, it := range l.items {
		if it.stage == resting {
			l.drop(it)
		}
	}
	return true
}

// schedule makes the item wait until it is due for the cause.
func (l *Lane) schedule(it *item, c Cause, now time.Duration) {
	it.cause = c
	l.setRemoving(it, c == Removed)
	l.waitUntil(it, l.dueFor(it, c, now))
}

// dueFor says when an item is due that is hinted now.
func (l *Lane) dueFor(it *item, c Cause, now time.Duration) time.Duration {
	if l.hurry {
		if it.failing {
			return max(it.first, it.notBefore)
		}
		return it.first // in the past: the oldest comes first
	}
	due := min(now, it.first+closeMost) // not ever later, however often it is hinted
	switch c {
	case Closed:
		due = min(now+closeSettle, it.first+closeMost)
	case Changed:
		due = now + l.opt.Settle
		if l.opt.MaxWait > 0 {
			due = min(due, it.first+l.opt.MaxWait)
		}
		due = max(due, it.calm)
	}
	return max(due, it.notBefore)
}

// waitUntil puts the item into the heap.
func (l *Lane) waitUntil(it *item, due time.Duration) {
	it.due = due
	l.giveUp(it)
	if it.stage == waiting {
		l.due.fix(it)
	} else {
		l.move(it, waiting)
	}
	l.q.nudge(due)
}

// move takes the item from its stage to another.
func (l *Lane) move(it *item, to stage) {
	switch it.stage {
	case waiting:
		l.giveUp(it)
		l.due.remove(it)
	case resting:
		l.due.remove(it)
		l.resting--
	case busy:
		last := len(l.busy) - 1
		l.busy[last].pos = it.pos
		l.busy[it.pos] = l.busy[last]
		l.busy[last] = nil
		l.busy = l.busy[:last]
		l.giveBack(it)
	case parked:
		l.unpark(it)
	}
	if to != busy {
		it.seen = nil // it may have changed since
	}
	it.stage = to
	switch to {
	case waiting:
		l.due.push(it)
	case resting:
		l.due.push(it)
		l.resting++
	case backlog:
		l.backlog.push(it)
	case shelved:
		l.shelf.push(it)
	case busy:
		it.pos = len(l.busy)
		l.busy = append(l.busy, it)
	}
}

// drop forgets the item.
func (l *Lane) drop(it *item) {
	l.move(it, dropped)
	l.setRemoving(it, false)
	l.setScan(it, false)
	l.answer(it)
	if l.items[it.path] == it {
		delete(l.items, it.path)
	}
	l.signal()
}

// setRemoving keeps count of the vanished paths that were not yet looked at.
func (l *Lane) setRemoving(it *item, on bool) {
	if it.removing == on {
		return
	}
	it.removing = on
	if on {
		l.removing++
		return
	}
	l.removing--
	l.dash()
}

// setScan keeps count of what the scan has put in.
func (l *Lane) setScan(it *item, on bool) {
	if it.scan == on {
		return
	}
	it.scan = on
	if on {
		l.scanned++
		return
	}
	l.scanned--
	l.makeRoom()
}

// ahead is how many paths that the scan has put in wait for a worker, and not for
// the scan.
func (l *Lane) ahead() int { return l.scanned - l.hopes.patient }

// makeRoom lets the scan go on when it is no longer far ahead.
func (l *Lane) makeRoom() {
	if l.room != nil && l.ahead() <= maxScan-scanStep {
		close(l.room)
		l.room = nil
	}
}

// ended returns why the lane takes nothing any more, nil if it does.
func (l *Lane) ended() error {
	if l.closed {
		return ErrClosed
	}
	return l.halt.dead
}

// active is how many paths have something to be done.
func (l *Lane) active() int { return len(l.items) - l.resting }
