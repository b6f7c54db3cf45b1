package plan

import (
	"context"
	"errors"
	"time"
)

// allowance is how long an approval of deletions holds that have yet to be found
// again.
const allowance = time.Hour

// ErrNothingHeld is returned by [Lane.Approve] when there is nothing to approve.
var ErrNothingHeld = errors.New("nothing waits for approval")

// Approve lets go on what the guards hold, for the reasons that are known now:
// another directory is taken for the source, an emptied one is believed, as
// many deletions as wait are not counted, and another agent counts for nothing for
// an hour. It returns ErrNothingHeld where nothing is held, and an error where the
// source is not there, where its path leads elsewhere since Tree was opened (the
// lane has to be made anew first), or where the index is frozen: no approval can
// mend these.
func (l *Lane) Approve(ctx context.Context) error {
	id, idErr := l.opt.Tree.Identity()
	if idErr == nil {
		idErr = l.opt.Tree.Present()
	}
	q := l.q
	q.mu.Lock()
	g := &l.gone
	h := g.hold
	lost := g.lost
	switch {
	case h.Doubt == NoDoubt:
		q.mu.Unlock()
		return ErrNothingHeld
	case h.Doubt == Frozen:
		q.mu.Unlock()
		return &h
	case idErr != nil:
		q.mu.Unlock()
		return idErr
	}
	if h.Doubt == Shared {
		g.rivalUntil = q.now() + allowance
	}
	other := id != g.root
	g.root, g.rootErr, g.unread, g.allowEmpty = id, nil, 0, true
	_, deletions := l.deletions()
	g.allow, g.allowUntil = deletions+lost, q.now()+allowance
	g.asked = false
	g.last = q.now() - gatherQuiet
	l.judgeSoon()
	q.mu.Unlock()
	if lost > 0 && l.opt.Rescan != nil {
		l.opt.Rescan()
	}
	if other {
		return l.setRoot(ctx, id)
	}
	return nil
}
