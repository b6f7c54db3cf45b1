package plan

import (
	"slices"
	"time"

	"github.com/osssync/osssync/internal/state"
)

const (
	// renameWait bounds how long a new file that may be a renamed one waits
	// for the looks at vanished paths that were hinted before.
	renameWait = 5 * time.Second
	// scanWait bounds how long it waits for the scan that found it, and
	// hopeMost how many files do.
	scanWait = 30 * time.Second
	hopeMost = maxActive / 2
)

// hopes are the new files of a lane that wait, because they may be ones that
// vanished.
type hopes struct {
	byID    map[state.FileID][]*item
	count   int
	patient int // of those, for the scan
}

// hope makes a new file wait, if it may be one that vanished and was not yet seen
// to, until that one is parked or nothing more can be found to have vanished. Only
// a file that was renamed, linked or given times has a ctime after its mtime.
func (l *Lane) hope(it *item, s sight) bool {
	if s.known != nil || s.disk.CTime <= s.disk.MTime || s.disk.FileID == (state.FileID{}) {
		return false
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	wait := renameWait
	if it.scan {
		wait = scanWait
	}
	switch {
	case l.hurry || l.closed || it.again || it.scan && l.hopes.patient >= hopeMost:
		return false
	case l.gone.byID[s.disk.FileID] != nil || it.started >= it.first+wait:
		return false
	case l.removing == 0 && !(it.scan && l.scanTells()):
		return false
	}
	l.endProbe(it)
	l.waitUntil(it, it.first+wait)
	it.patient, it.hope = it.scan, s.disk.FileID
	l.hopes.byID[it.hope] = append(l.hopes.byID[it.hope], it)
	l.hopes.count++
	if it.patient {
		l.hopes.patient++
		l.makeRoom()
	}
	return true
}

// scanTells says whether a scan may yet find that something vanished.
func (l *Lane) scanTells() bool { return l.scan.running() && !l.scan.first }

// fulfil makes the files due that may be the vanished one of this id.
func (l *Lane) fulfil(id state.FileID) {
	now := l.q.now()
	for len(l.hopes.byID[id]) > 0 {
		l.waitUntil(l.hopes.byID[id][0], now)
	}
}

// dash makes the files due for which there is nothing left to hope for.
func (l *Lane) dash() {
	h := &l.hopes
	wait := l.scanTells()
	if l.removing > 0 || h.count == 0 || wait && h.patient == h.count {
		return
	}
	now := l.q.now()
	for _, its := range h.byID {
		for _, it := range slices.Clone(its) {
			if !wait || !it.patient {
				l.waitUntil(it, now)
			}
		}
	}
}

// giveUp ends what hope began.
func (l *Lane) giveUp(it *item) {
	if it.hope == (state.FileID{}) {
		return
	}
	h := &l.hopes
	h.count--
	if it.patient {
		h.patient--
	}
	left := slices.DeleteFunc(h.byID[it.hope], func(other *item) bool { return other == it })
	if h.byID[it.hope] = left; len(left) == 0 {
		delete(h.byID, it.hope)
	}
	it.patient, it.hope = false, state.FileID{}
}
