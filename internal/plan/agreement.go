package plan

import (
	"context"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// agreement is how long the guards' word is good, unless a scan ends before. A
// deletion may come later than that, for it waits for its turn and is tried
// again when it has failed.
const agreement = 10 * time.Second

// agreed is until when the guards need not be asked about what they agreed to:
// for deletions, and for what leaves the object, which other agents do not
// concern.
type agreed struct{ delete, forget time.Duration }

// until says that the guards agree until then.
func (a *agreed) until(then time.Duration, rivalAsked bool) {
	a.forget = then
	if rivalAsked {
		a.delete = then
	}
}

// mayRemove says whether what the guards agreed to may still be done. It is asked
// right before each deletion, and before an entry is forgotten.
func (l *Lane) mayRemove(ctx context.Context, it *item, a upload.Action) (bool, error) {
	deletes := a != upload.Forget
	switch cleared, _ := l.clearance(it, deletes); {
	case !cleared:
		return false, nil
	case it.renamed:
		// The guards were not asked, for they count what is lost.
		if l.contested(ctx) {
			return false, nil
		}
	default:
		if ok, err := l.agreedTo(ctx, it, deletes); !ok {
			return false, err
		}
	}
	return !l.frozen() && l.sameRoot(), nil
}

// agreedTo says whether the guards agree to a removal now, and asks them again if
// their word is old. The brake has counted it already. If they do not, all that
// was cleared waits with it, and nobody asks for each of them.
func (l *Lane) agreedTo(ctx context.Context, it *item, deletes bool) (bool, error) {
	if cleared, fresh := l.clearance(it, deletes); !cleared || fresh {
		return cleared, nil
	}
	select {
	case l.recheck <- struct{}{}:
		defer func() { <-l.recheck }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if cleared, fresh := l.clearance(it, deletes); !cleared || fresh { // somebody else has asked
		return cleared, nil
	}
	f, err := l.evidence(ctx, deletes)
	if err != nil {
		return false, err
	}
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	l.complete(&f, now)
	if doubt, _ := guard(f); doubt != NoDoubt {
		for _, other := range l.items {
			other.cleared = other.cleared && other.renamed
		}
		return false, nil
	}
	l.gone.agreed.until(now+agreement, f.rivalAsked)
	return true, nil
}

// clearance says whether the guards have agreed to a removal, and whether that is
// so fresh that they need not be asked again.
func (l *Lane) clearance(it *item, deletes bool) (cleared, fresh bool) {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	until := l.gone.agreed.forget
	if deletes {
		until = l.gone.agreed.delete
	}
	return it.cleared, l.q.now() < until
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
