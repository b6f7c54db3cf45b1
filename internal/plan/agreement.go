package plan

import (
	"context"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// agreement is how long the guards' word is good, unless a scan ends before. A
// deletion may come later than that, for it waits for its turn and is tried
// again when it has failed.
const agreement = 10 * time.Second

// mayRemove says whether what the guards agreed to may still be done. It is asked
// right before each deletion.
func (l *Lane) mayRemove(ctx context.Context, it *item) (bool, error) {
	switch {
	case !it.cleared:
		return false, nil
	case it.renamed:
		// The guards were not asked, for they count what is lost.
		if l.contested(ctx) {
			return false, nil
		}
	default:
		if ok, err := l.agreed(ctx); !ok {
			return false, err
		}
	}
	return !l.frozen() && l.sameRoot(), nil
}

// agreed says whether the guards agree to deletions now, and asks them again if
// their word is old. The brake has counted these deletions already.
func (l *Lane) agreed(ctx context.Context) (bool, error) {
	if l.agreedLately() {
		return true, nil
	}
	select {
	case l.recheck <- struct{}{}:
		defer func() { <-l.recheck }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if l.agreedLately() { // somebody else has asked
		return true, nil
	}
	f, err := l.evidence(ctx, true)
	if err != nil {
		return false, err
	}
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	l.complete(&f, now)
	doubt, _ := guard(f)
	if doubt == NoDoubt {
		l.gone.agreedUntil = now + agreement
	}
	return doubt == NoDoubt, nil
}

func (l *Lane) agreedLately() bool {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	return l.q.now() < l.gone.agreedUntil
}

// sameRoot says whether the source is the directory it was.
func (l *Lane) sameRoot() bool {
	if l.opt.Tree.Present() != nil {
		return false
	}
	seen, err := l.opt.Tree.Identity()
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	return err == nil && (l.gone.root == state.Identity{} || seen == l.gone.root)
}

// frozen says whether all deletions are held, those too that were agreed to.
func (l *Lane) frozen() bool {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	return l.gone.frozen
}

// contested says whether another agent may hold the object at a renamed file's
// old path for its own.
func (l *Lane) contested(ctx context.Context) bool { return l.destroys() && l.askRival(ctx) != "" }
