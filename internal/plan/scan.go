package plan

import (
	"context"
	"errors"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// ErrClosed is returned for a lane that has been closed.
var ErrClosed = errors.New("lane closed")

// scan is a lane's knowledge of full scans.
type scan struct {
	number uint64 // of the newest that has begun
	done   uint64 // of the newest that has ended
	once   bool   // one has ended
	first  bool   // nothing was known when the newest began
	seq    uint64 // sequence number of what it finds
	owed   uint64 // hint that only a scan begun later answers; 0: none
	owing  uint64 // hint that the running scan answers; 0: none

	began           time.Duration
	unchanged, last int64 // files found as the index has them, by this scan and by the last that ended
}

// running says whether a scan has begun and not ended.
func (s *scan) running() bool { return s.number != s.done }

// Listed takes what one directory holds and makes due what differs from the
// index, also what is no longer there. A directory that was found unchanged
// before and has the same digest costs nothing. Listed blocks while the workers
// have enough to do with what the scan has found; it returns ctx.Err(), ErrClosed,
// an error of the index, or what ended the lane for good. It keeps nothing of the
// listing's slices.
func (l *Lane) Listed(ctx context.Context, li Listing) error {
	if err := l.loadDigests(ctx); err != nil {
		return err
	}
	known, err := l.knownBefore(ctx, li.Scan)
	if err != nil {
		return err
	}
	q := l.q
	q.mu.Lock()
	if err := l.ended(); err != nil {
		q.mu.Unlock()
		return err
	}
	seq := l.begin(li.Scan, known)
	if li.Dir == "" {
		l.gone.empty = l.holdsNothing(li)
	}
	if l.digest.compare(li.Dir, li.Digest) {
		if li.Scan != 0 {
			l.scan.unchanged += int64(len(li.Files))
		}
		q.mu.Unlock()
		return nil
	}
	l.openListing(seq)
	q.mu.Unlock()

	in := intake{lane: l, seq: seq, block: true}
	same, err := l.merge(ctx, li, &in)

	q.mu.Lock()
	l.closeListing(seq)
	if li.Scan != 0 {
		l.scan.unchanged += int64(same)
	}
	proven := l.digest.compared(li.Dir, li.Digest, err == nil && in.put == 0)
	q.mu.Unlock()
	if proven && l.opt.SetDigest != nil && !q.opt.DryRun {
		err = l.opt.SetDigest(ctx, li.Dir, l.digest.salted(li.Digest))
	}
	return err
}

// knownBefore returns how much the index holds if a scan of this number would be
// the next to begin.
func (l *Lane) knownBefore(ctx context.Context, number uint64) (int64, error) {
	l.q.mu.Lock()
	begun := number == 0 || number == l.scan.number
	l.q.mu.Unlock()
	if begun {
		return 0, nil
	}
	files, _, err := l.indexed(ctx)
	return files, err
}

// begin notes that a scan has begun when so many files were known, and returns
// the sequence number for what a listing of it finds. The mutex is held.
func (l *Lane) begin(number uint64, known int64) uint64 {
	s := &l.scan
	if number == 0 {
		l.sequence++
		return l.sequence
	}
	if number != s.number {
		l.sequence++
		s.number, s.seq = number, l.sequence
		if s.owed != 0 {
			s.owing = s.owed
			s.seq, s.owed = s.owed, 0
		}
		s.unchanged, s.began, s.first = 0, l.q.now(), known == 0
		l.gone.lost = 0
	}
	return s.seq
}

// Scanned ends a full scan. Whatever could not be read counts as unknown: after
// an incomplete scan nothing is deleted or forgotten. Files that failed and whose
// memory was not dropped are tried again at once.
func (l *Lane) Scanned(ctx context.Context, s Scan) error {
	files, _, err := l.indexed(ctx)
	if err != nil {
		return err
	}
	q := l.q
	q.mu.Lock()
	if err := l.ended(); err != nil {
		q.mu.Unlock()
		return err
	}
	sc := &l.scan
	sc.number = max(sc.number, s.Number)
	sc.done, sc.once, sc.last = sc.number, true, sc.unchanged
	if sc.owing != 0 {
		l.renumberAll(sc.owing, settled)
		sc.owing = 0
	}
	l.scanEnded()
	l.dash()
	adopt := l.judgeScan(s, files)
	l.retryFaults(q.now())
	if s.Complete {
		l.sweep(q.now())
	}
	l.gone.asked, l.gone.agreed = false, agreed{}
	l.gone.last = min(l.gone.last, q.now()-gatherQuiet) // the scan has seen them all
	l.signal()
	l.judgeSoon()
	q.mu.Unlock()
	if adopt {
		return l.setRoot(ctx, s.Root)
	}
	return nil
}

// indexed returns how much the index holds, or zero where that is not known.
func (l *Lane) indexed(ctx context.Context) (files, bytes int64, err error) {
	if l.opt.Count == nil {
		return 0, 0, nil
	}
	return l.opt.Count(ctx)
}

// judgeScan remembers what a scan says of the source, and returns true when its
// root is to be taken for the source. The mutex is held.
func (l *Lane) judgeScan(s Scan, indexed int64) (adopt bool) {
	g := &l.gone
	g.rootErr = s.Err
	g.unread, g.unreadOne = 0, ""
	if s.Err != nil {
		return false
	}
	if !s.Complete {
		g.unread = max(1, len(s.Unread))
		if len(s.Unread) > 0 {
			g.unreadOne = s.Unread[0]
		}
	}
	if !g.empty {
		g.allowEmpty = false
	}
	switch {
	case !s.Complete || s.Root == state.Identity{}:
	case g.root == state.Identity{} || g.root != s.Root && indexed == 0:
		adopt = g.root != s.Root && (!g.empty || indexed == 0)
	case g.root == s.Root:
		g.otherSeen = 0
	case !l.destroys() && !g.empty:
		// Where the bucket loses nothing, a source that was made anew, as build
		// directories are, is believed when it is still there at the next scan.
		if g.other != s.Root {
			g.other, g.otherSeen = s.Root, 0
		}
		g.otherSeen++
		adopt = g.otherSeen >= 2
	}
	if adopt {
		g.root, g.otherSeen = s.Root, 0
	}
	if g.count == 0 && s.Complete && g.root == s.Root && (!g.empty || indexed == 0 || g.allowEmpty) && !g.frozen {
		g.hold = HoldError{}
	}
	return adopt
}

// sweep follows a complete scan. What failed without a name was found again. A
// failed file that was not is not there any more, or is in order: a look tells.
// The mutex is held.
func (l *Lane) sweep(now time.Duration) {
	l.tally.more = 0
	for path, f := range l.tally.failures {
		if l.items[path] == nil && f.last < l.scan.began {
			l.sequence++
			l.hint(path, Moved, l.sequence, now)
		}
	}
}

// retryFaults makes due at once what waits because of its file, not because of
// the bucket. The mutex is held.
func (l *Lane) retryFaults(now time.Duration) {
	for _, it := range l.items {
		if it.stage == waiting && it.fault && it.stuck == 0 {
			it.notBefore = 0
			l.waitUntil(it, now)
		}
	}
}
