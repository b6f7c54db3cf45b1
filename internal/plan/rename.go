package plan

import (
	"time"

	"github.com/osssync/osssync/internal/state"
)

// comparedSize is the size up to which the worker reads a renamed file and
// compares its CRC-64 before it copies the object, whatever its settings.
const comparedSize = 100 << 10

// pairable says whether a vanished file can be recognised where it went. It
// cannot if its version does not prove its bytes: where a later write may bear
// the same version, where nobody verified the entry, where the file system has no
// file ids, or, of a larger file, where the time of modification has no fraction
// of a second. For then a program may have set it, and a file of another content
// that was given the same time, size and, once freed, the same id would be taken
// for it.
func pairable(known *state.Entry) bool {
	return known.FileID != state.FileID{} && !known.Racy && !known.Assumed &&
		(known.Size <= comparedSize || known.MTime%int64(time.Second) != 0)
}

// pair finds the vanished file that the file on disk was before it was renamed
// to it.path, and claims it for a copy. nil means that there is none, or that
// there is any doubt.
func (l *Lane) pair(it *item, disk *state.Version) *item {
	l.q.mu.Lock()
	old := l.candidate(disk)
	l.q.mu.Unlock()
	if old == nil {
		return nil
	}
	// It may be back, and a second name of one file has its id.
	if _, err := l.opt.Tree.Stat(old.path); !vanished(err) {
		return nil
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	if !old.fits(disk) || it.again {
		return nil
	}
	if old.held {
		old.held = false
		l.gone.held--
	}
	old.to, it.from = it, old
	l.gone.claimed++
	return old
}

// candidate returns a vanished file of the same id, size and time. Of several,
// which were hard links of one file, any will do: their bytes are the same.
func (l *Lane) candidate(disk *state.Version) *item {
	for _, it := range l.gone.byID[disk.FileID] {
		if it.fits(disk) {
			return it
		}
	}
	return nil
}

// fits says whether the vanished file may be the one on disk.
func (it *item) fits(disk *state.Version) bool {
	if it.stage != parked || !it.paired || it.to != nil {
		return false
	}
	known := it.entry.Version
	return known.FileID == disk.FileID && known.Size == disk.Size && known.MTime == disk.MTime && disk.CTime >= known.CTime
}

// unclaim ends the copy of a vanished file; it stays parked.
func (l *Lane) unclaim(it *item) {
	old := it.from
	it.from, old.to = nil, nil
	l.gone.claimed--
	l.gone.asked = false
	if old.again {
		// The path is in use again.
		old.again = false
		now := l.q.now()
		old.since, old.first = now, old.againTime
		l.ask(old, old.againSeq)
		l.schedule(old, old.againCause, now)
		return
	}
	l.judgeSoon()
}

// movedAway makes the old path of a file due whose object is now under the new
// path too. It is not a deletion that the brake should count: nothing is lost.
func (l *Lane) movedAway(old *item, now time.Duration) {
	if old.stage != parked {
		return // in use again
	}
	old.renamed = true
	if l.gone.frozen {
		return // for later
	}
	l.waitUntil(old, now)
	old.cleared = true
}
