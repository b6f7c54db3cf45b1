package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// A Limit is how many deletions may happen within an hour: a number of files,
// or a percentage of those that the index holds. The zero Limit allows none
// without approval; a negative Count allows any number.
type Limit struct {
	Count   int
	Percent float64 // used when Count is 0
}

// Brake says why asked more deletions may not happen after recent ones within
// the hour, "" when they may. indexed is how many files the index holds. It is
// a pure function.
func (l Limit) Brake(asked, recent, indexed int64) string {
	sum := asked + recent
	switch {
	case asked <= 0 || l.Count < 0:
		return ""
	case l.Count == 0 && l.Percent > 0:
		// What was deleted within the hour is no longer in the index.
		if float64(sum) > l.Percent/100*float64(indexed+recent) {
			return fmt.Sprintf("%d deletions within an hour are more than max_deletes = %g%% of %d files", sum, l.Percent, indexed+recent)
		}
	case sum > int64(l.Count):
		return fmt.Sprintf("%d deletions within an hour are more than max_deletes = %d", sum, l.Count)
	}
	return ""
}

// A Doubt is a kind of reason to delete nothing.
type Doubt int

// The doubts, in the order in which they are raised.
const (
	NoDoubt    Doubt = iota
	Frozen           // the index was rebuilt and is not yet proven
	RootUnread       // the source cannot be read
	RootOther        // another directory is at the source's path
	RootEmpty        // the source holds nothing any more
	DirUnread        // a directory in the source could not be read
	Shared           // another agent writes to the same place
	TooMany          // more deletions than max_deletes
)

// How the reasons begin that a source which is not there gives.
const (
	SourceUnread = "the source cannot be read: "
	sourceMoved  = "the source is not where it was: "
)

// SourceLost says whether a reason, such as that of a Status or a HoldError, is
// that the source is not there or cannot be looked at. No approval helps with that.
func SourceLost(reason string) bool {
	return strings.Contains(reason, SourceUnread) || strings.Contains(reason, sourceMoved)
}

// A HoldError says that deletions are held, and why.
type HoldError struct {
	Doubt  Doubt
	Reason string
	Held   int // files whose deletion waits
}

func (e *HoldError) Error() string {
	return fmt.Sprintf("deletions held: %s", e.Reason)
}

// facts is what the guards are asked about.
type facts struct {
	frozen     bool
	known      state.Identity // zero: not known yet
	seen       state.Identity
	seenErr    error // neither this nor the next: the source can be looked at
	absent     error // its path leads elsewhere, or nowhere
	empty      bool  // the source holds nothing that is taken
	unread     int   // directories that the last scan could not read
	unreadOne  string
	unfinished bool   // the scan was broken off
	rival      string // what LaneOptions.Rival says
	rivalAsked bool   // else it was not asked, for nothing was to be deleted
	limit      Limit
	unlimited  bool  // nothing in the bucket is deleted, so no brake is needed
	asked      int64 // deletions asked for, less the approved ones
	recent     int64 // deletions within the hour
	indexed    int64
}

// guard says why nothing may be deleted or forgotten, or NoDoubt. It is a pure
// function.
func guard(f facts) (Doubt, string) {
	switch {
	case f.frozen:
		return Frozen, "the index was rebuilt and is not yet compared with the source and the bucket"
	case f.seenErr != nil:
		return RootUnread, SourceUnread + f.seenErr.Error()
	case f.absent != nil:
		return RootOther, sourceMoved + f.absent.Error()
	case f.known != state.Identity{} && f.seen != f.known:
		return RootOther, "the source is another directory than the one that was sent; is a file system not mounted?"
	case f.empty:
		return RootEmpty, "the source is empty; is a file system not mounted?"
	case f.unread > 0:
		return DirUnread, fmt.Sprintf("%d directories could not be read, one of them %q", f.unread, f.unreadOne)
	case f.unfinished:
		return DirUnread, "the scan did not come to its end"
	}
	if f.unlimited {
		return NoDoubt, ""
	}
	if f.rival != "" {
		return Shared, f.rival
	}
	if why := f.limit.Brake(f.asked, f.recent, f.indexed); why != "" {
		return TooMany, why
	}
	return NoDoubt, ""
}

// A window counts what happened within the last hour, to the minute: what is
// counted leaves it after 60 to 61 minutes. Its memory does not grow.
type window struct {
	counts [61]int64
	minute int64 // of the newest count
}

// add counts n at the time now.
func (w *window) add(now time.Duration, n int64) {
	w.advance(now)
	w.counts[w.minute%int64(len(w.counts))] += n
}

// sum returns what was counted within the hour before now.
func (w *window) sum(now time.Duration) int64 {
	w.advance(now)
	var sum int64
	for _, n := range w.counts {
		sum += n
	}
	return sum
}

// advance drops the minutes that have left the window.
func (w *window) advance(now time.Duration) {
	to := int64(now / time.Minute)
	for range min(to-w.minute, int64(len(w.counts))) {
		w.minute++
		w.counts[w.minute%int64(len(w.counts))] = 0
	}
	w.minute = to
}
