package plan

import (
	"context"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// judge asks the guards whether what has vanished may be deleted, and either
// makes it due or holds it.
func (l *Lane) judge(ctx context.Context) error {
	q := l.q
	q.mu.Lock()
	all, _ := l.deletions()
	rival := all+l.gone.lost > 0
	q.mu.Unlock()
	f, err := l.evidence(ctx, rival)
	q.mu.Lock()
	l.gone.judging = false
	var events []Event
	rescan := false
	if now := q.now(); err == nil && l.judgeDue(now) { // still: more may have come meanwhile
		events, rescan = l.pronounce(f, now)
	}
	l.signal()
	q.pass()
	q.mu.Unlock()
	q.report(events)
	if rescan && l.opt.Rescan != nil {
		l.opt.Rescan()
	}
	return err
}

// evidence gathers what the guards are asked about, but for what only the lane
// knows. Other agents are asked about only where there is something to delete.
func (l *Lane) evidence(ctx context.Context, rival bool) (facts, error) {
	f := facts{limit: l.opt.MaxDeletes, unlimited: !l.destroys()}
	f.seen, f.seenErr = l.opt.Tree.Identity()
	f.absent = l.opt.Tree.Present()
	var err error
	if f.empty, err = l.looksEmpty(ctx); err != nil {
		return f, err
	}
	if l.destroys() {
		f.indexed, _, err = l.indexed(ctx)
		if rival {
			f.rival, f.rivalAsked = l.askRival(ctx), true
		}
	}
	return f, err
}

// askRival asks about other agents.
func (l *Lane) askRival(ctx context.Context) string {
	q := l.q
	q.mu.Lock()
	approved := q.now() < l.gone.rivalUntil
	q.mu.Unlock()
	if l.opt.Rival == nil || q.opt.DryRun || approved {
		return ""
	}
	return l.opt.Rival(ctx)
}

// complete adds to the facts what the lane knows, but for what is asked. The mutex
// is held.
func (l *Lane) complete(f *facts, now time.Duration) {
	g := &l.gone
	f.known, f.frozen = g.root, g.frozen
	f.empty = f.empty && !g.allowEmpty && !l.consumes()
	if f.seenErr == nil {
		f.seenErr = g.rootErr
	}
	f.unread, f.unreadOne = g.unread, g.unreadOne
	f.unfinished = l.q.draining && l.scan.running()
	f.recent = g.recent.sum(now) + l.overdue(now)
}

// pronounce asks the guards and does what they say. It returns true when a scan
// has to find again what there was no room for. The mutex is held.
func (l *Lane) pronounce(f facts, now time.Duration) (events []Event, rescan bool) {
	g := &l.gone
	l.complete(&f, now)
	if now >= g.allowUntil {
		g.allow = 0
	}
	_, deletions := l.deletions()
	f.asked = max(0, deletions+g.lost-g.allow)
	g.asked = true
	if doubt, why := guard(f); doubt != NoDoubt {
		return l.holdAll(HoldError{doubt, why, 0}), false
	}
	approved := min(g.allow, deletions)
	g.allow -= approved
	g.recent.add(now, deletions-approved)
	g.agreed.until(now+agreement, f.rivalAsked)
	rescan = g.lost > 0
	l.releaseAll(now, approved)
	return nil, rescan
}

// destroys says whether the lane ever deletes an object.
func (l *Lane) destroys() bool { return l.opt.Deletes == Mirror || l.opt.Deletes == Trash }

// consumes says whether it is the agent that empties the source.
func (l *Lane) consumes() bool { return l.opt.consumes() }

func (o *LaneOptions) consumes() bool {
	after := o.Target.Object.AfterUpload
	return after != "" && after != string(Keep)
}

// looksEmpty says whether the source holds nothing that is taken. Where it
// cannot look, it is what the last scan said.
func (l *Lane) looksEmpty(ctx context.Context) (bool, error) {
	if l.opt.List != nil {
		li, err := l.opt.List(ctx, "")
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err == nil {
			return l.holdsNothing(li), nil
		}
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	return l.gone.empty, nil
}

// holdsNothing says whether a listing of the source shows nothing to take.
func (l *Lane) holdsNothing(li Listing) bool {
	for _, f := range li.Files {
		if taken, _ := l.opt.Filter.Match(f.Name, false); taken {
			return false
		}
	}
	return len(li.Dirs) == 0
}

// deletions counts the parked items whose objects would be deleted, and those of
// them that the brake has yet to count: nothing is lost with the old object of a
// renamed file. The mutex is held.
func (l *Lane) deletions() (all, fresh int64) {
	if !l.destroys() {
		return 0, 0
	}
	for _, it := range l.items {
		if it.stage != parked || it.to != nil || it.keeps {
			continue
		}
		all++
		if it.counted == 0 && !it.renamed {
			fresh++
		}
	}
	return all, fresh
}

// overdue counts the deletions that the guards agreed to over an hour ago and
// that are yet to happen, for example because OSS is away: they will be of the
// hour in which they do. Approved ones are not counted. The mutex is held.
func (l *Lane) overdue(now time.Duration) (n int64) {
	if !l.destroys() {
		return 0
	}
	for _, it := range l.items {
		if it.overdue(now) {
			n++
		}
	}
	return n
}

// holdAll keeps everything that is parked. Where nothing in the bucket would be
// deleted it is let go instead: the next scan finds it again.
func (l *Lane) holdAll(h HoldError) (events []Event) {
	g := &l.gone
	g.agreed = agreed{}
	destroys := l.destroys()
	for _, it := range l.items {
		switch {
		case it.stage != parked || it.to != nil:
		case !destroys:
			l.drop(it)
		case !it.held:
			it.held = true
			g.held++
			l.answer(it)
			if !it.keeps {
				events = append(events, l.heldBack(it.path, it.entry, h)...)
			}
		}
	}
	h.Held = g.held + int(g.lost)
	news := h.Doubt != g.hold.Doubt
	g.hold = h
	if news {
		events = append(events, Event{Job: l.name, Action: l.removal(), Reason: h.Reason, Err: &h, Final: true})
	}
	return events
}

// removal is what is done about a vanished file.
func (l *Lane) removal() upload.Action {
	switch l.opt.Deletes {
	case Mirror:
		return upload.Delete
	case Trash:
		return upload.Trash
	}
	return upload.Forget
}

// heldBack tells of one deletion that is held, in a pass that is to end: it is
// all that such a pass does about the file. An agent that goes on has its status
// for that.
func (l *Lane) heldBack(path string, entry *state.Entry, h HoldError) []Event {
	if !l.q.opt.DryRun && l.q.opt.MaxTries == 0 {
		return nil
	}
	return []Event{{Job: l.name, Action: l.removal(), Path: path, Key: l.keyOf(path, entry), Reason: h.Reason, Err: &h, Final: true}}
}

// releaseAll makes everything that is parked due. Of the deletions, so many were
// approved.
func (l *Lane) releaseAll(now time.Duration, approvals int64) {
	l.gone.hold = HoldError{}
	l.gone.lost = 0
	for _, it := range l.items {
		if it.stage == parked && it.to == nil {
			it.cleared = true
			if !it.keeps && !it.renamed && it.counted == 0 {
				it.counted = max(now, 1)
				if approvals > 0 {
					it.counted = uncounted
					approvals--
				}
			}
			l.waitUntil(it, now)
		}
	}
}

// setRoot remembers which directory the source is.
func (l *Lane) setRoot(ctx context.Context, id state.Identity) error {
	if l.opt.SetRoot == nil || l.q.opt.DryRun {
		return nil
	}
	return l.opt.SetRoot(ctx, id)
}

// Reconsider has the guards asked again about what they hold.
func (l *Lane) Reconsider() {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	l.gone.asked = false
	l.judgeSoon()
}

// Freeze holds all deletions, or no longer does.
func (l *Lane) Freeze(on bool) {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	l.gone.frozen, l.gone.asked = on, false
	l.gone.agreed = agreed{}
	l.judgeSoon()
}
