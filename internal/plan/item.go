package plan

import (
	"math"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// Times in this package are durations since the queue was made, on the
// monotonic clock, so that a step of the wall clock neither delays nor hurries
// anything.

// A stage is where an item is.
type stage uint8

const (
	dropped stage = iota // nowhere: it is not the path's item any more
	waiting              // in the heap until it is due
	backlog              // in line behind what the scan found before
	busy                 // handed to a worker
	parked               // vanished, until the guards are asked
	shelved              // large, until fewer large files are handed out
	resting              // done; in the heap to remember for a while how often it changes
)

// uncounted is when the brake counted a deletion that was approved: it does not.
const uncounted = math.MaxInt64

// settled is a sequence number that no barrier waits for.
const settled = math.MaxUint64

// An item is one path that has something to be done. All fields are guarded by
// the queue's mutex, but path, which never changes.
type item struct {
	lane  *Lane
	path  string
	stage stage
	cause Cause

	scan     bool // counts towards the bound on what a scan may put in
	again    bool // hinted while busy
	removing bool // counts towards lane.removing
	cleared  bool // the guards agree to its deletion
	renamed  bool // its object was copied to the new path; no brake
	doubt    bool // nobody knows how a request about it ended
	plain    bool // was refused as a copy: upload it
	unknown  bool // handed out: the index did not hold it
	live     bool // handed out as a job that asks for a snapshot
	held     bool // parked: refused by the guards
	keeps    bool // parked: its object is kept
	paired   bool // parked: found in gone.byID
	failing  bool // waits after a failure that a new hint does not cure
	fault    bool // waits after a failure of the file itself
	large    bool // has one of the places of large files
	found    bool // taken from the backlog, not hinted
	patient  bool // its hope is also for the scan

	pos       int           // in the heap; of a busy one, among the lane's busy ones
	due       time.Duration // when it is to be looked at; of a resting one, when it is dropped
	since     time.Duration // when it got something to be done
	first     time.Duration // first hint since it was last handed out; what MaxWait counts from
	started   time.Duration // last handed out
	notBefore time.Duration // not due before, whatever the cause
	calm      time.Duration // not due before for Changed: the pause between snapshots
	counted   time.Duration // when the brake counted its deletion, or uncounted; 0: not yet
	cooldown  time.Duration // between uploads, grows while it keeps changing
	busySince time.Duration // first of ErrBusy and ErrChanged in a row

	seq        uint64 // oldest hint that is not answered
	againSeq   uint64 // oldest hint since it was handed out
	againTime  time.Duration
	againCause Cause

	tries int // failed attempts in a row
	stuck int // of ErrBusy and ErrChanged in a row
	size  int64

	hope  state.FileID   // id of the vanished file that it waits for, because it may have been it; zero: none
	seen  *state.Version // backlog: what a listing saw of a file that the index does not know
	entry *state.Entry   // parked: what the index holds
	from  *item          // busy with a copy: the item of the old path
	to    *item          // parked: the item that is being made a copy of it
}

// stays ends what was agreed and counted about its deletion, for there is none.
func (it *item) stays() { it.cleared, it.counted, it.renamed = false, 0, false }

// overdue says whether the brake counted its deletion so long ago that the count
// has left the window, and it is yet to happen.
func (it *item) overdue(now time.Duration) bool {
	return it.counted > 0 && it.counted != uncounted && now-it.counted >= time.Hour
}

// A heap is a binary min-heap of items by due time.
type heap []*item

func (h *heap) push(it *item) {
	it.pos = len(*h)
	*h = append(*h, it)
	h.up(it.pos)
}

// fix restores the order after it.due changed.
func (h *heap) fix(it *item) {
	if !h.down(it.pos) {
		h.up(it.pos)
	}
}

func (h *heap) remove(it *item) {
	last := len(*h) - 1
	i := it.pos
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	if i < last {
		h.fix((*h)[i])
	}
}

func (h *heap) swap(i, j int) {
	a := *h
	a[i], a[j] = a[j], a[i]
	a[i].pos, a[j].pos = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if (*h)[parent].due <= (*h)[i].due {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) bool {
	moved := false
	for {
		child := 2*i + 1
		if child >= len(*h) {
			return moved
		}
		if child+1 < len(*h) && (*h)[child+1].due < (*h)[child].due {
			child++
		}
		if (*h)[i].due <= (*h)[child].due {
			return moved
		}
		h.swap(i, child)
		i, moved = child, true
	}
}

// A line is a first-in, first-out queue of items of one stage. An item that
// leaves the stage another way stays in the line and is passed over.
type line struct {
	stage stage
	items []*item
	head  int
}

func (l *line) push(it *item) { l.items = append(l.items, it) }

// pop returns nil when the line is empty.
func (l *line) pop() *item {
	for l.head < len(l.items) {
		it := l.items[l.head]
		l.items[l.head] = nil
		l.head++
		if l.head > 1024 && l.head > len(l.items)/2 {
			n := copy(l.items, l.items[l.head:])
			clear(l.items[n:])
			l.items, l.head = l.items[:n], 0
		}
		if it.stage == l.stage {
			return it
		}
	}
	return nil
}

// peek says whether pop would return an item.
func (l *line) peek() bool {
	for l.head < len(l.items) {
		if l.items[l.head].stage == l.stage {
			return true
		}
		l.items[l.head] = nil
		l.head++
	}
	l.items, l.head = l.items[:0], 0
	return false
}
