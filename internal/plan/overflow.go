package plan

import (
	"context"
	"errors"
)

// overflow is what a lane remembers of paths for which it had no room.
type overflow struct {
	dirs    map[string]uint64 // directories to list, with their oldest unanswered hint
	listing bool              // one is being listed
}

// remember takes note of a directory in which a path may have changed. It
// returns true when even these are too many and a full scan is needed. The mutex
// is held.
func (l *Lane) remember(dir string, seq uint64) (rescan bool) {
	if _, ok := l.fill.dirs[dir]; ok {
		return false
	}
	if l.opt.List != nil && len(l.fill.dirs) < maxDirty {
		l.fill.dirs[dir] = seq
		l.renumberAll(settled, seq)
		return false
	}
	if l.scan.owed == 0 {
		l.scan.owed = seq
		l.renumberAll(settled, seq)
		return true
	}
	return false
}

// dirtyDue says whether a directory is to be listed now. The mutex is held.
func (l *Lane) dirtyDue() bool {
	return len(l.fill.dirs) > 0 && !l.fill.listing && l.active() < maxActive*3/4
}

// listDirty lists one of the directories and compares it with the index. If its
// differences are still too many it stays for another time.
func (l *Lane) listDirty(ctx context.Context) error {
	q := l.q
	q.mu.Lock()
	var dir string
	var seq uint64
	for dir, seq = range l.fill.dirs {
		break
	}
	// A hint from now on is not answered by this listing.
	delete(l.fill.dirs, dir)
	l.open = append(l.open, seq)
	q.mu.Unlock()

	in := intake{lane: l, seq: seq}
	li, err := l.opt.List(ctx, dir)
	switch {
	case err == nil:
		_, err = l.merge(ctx, li, &in)
	case vanished(err):
		err = l.below(ctx, dir, &in)
	case ctx.Err() == nil:
		// It cannot be read. The scan will find the same, and say so.
		err = nil
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	l.fill.listing = false
	if err != nil && l.ended() == nil {
		if newer, ok := l.fill.dirs[dir]; ok {
			l.renumberAll(newer, settled)
		}
		l.fill.dirs[dir] = seq
		l.renumberAll(settled, seq)
	}
	l.closeListing(seq)
	l.signal()
	q.pass()
	if errors.Is(err, errFull) || l.ended() != nil {
		return nil
	}
	return err
}

// expand looks at everything that the index holds below a path that is not
// there, for it may have been a directory.
func (l *Lane) expand(ctx context.Context, path string, seq uint64) (rescan bool, err error) {
	in := intake{lane: l, seq: seq}
	err = l.below(ctx, path, &in)
	switch {
	case errors.Is(err, errFull):
		l.q.mu.Lock()
		defer l.q.mu.Unlock()
		return l.remember(path, min(seq, l.sequence)), nil
	case err != nil && l.stopped():
		return false, nil
	}
	return false, err
}

// stopped is ended for a caller without the mutex.
func (l *Lane) stopped() bool {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	return l.ended() != nil
}
