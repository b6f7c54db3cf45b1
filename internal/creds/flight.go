package creds

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errStopped ends a flight whose Run was stopped.
var errStopped = fmt.Errorf("refresh stopped: %w", context.Canceled)

// waitWhileValid bounds how long anyone waits for a successor while the
// credential at hand is still good.
const waitWhileValid = 5 * time.Second

// A flight is one refresh, which all who need its outcome share. It does not
// end because one of them leaves.
type flight struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	done    chan struct{}

	// Set before done is closed.
	cached bool // the outcome is from the disk cache
	err    error
}

// wait waits for the outcome or ctx, and where there is a credential to go on
// with, not for ever.
func (f *flight) wait(ctx context.Context, usable bool) error {
	var limit <-chan time.Time
	if usable {
		t := time.NewTimer(waitWhileValid)
		defer t.Stop()
		limit = t.C
	}
	select {
	case <-f.done:
		return f.err
	case <-limit:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the flight that is under way, or starts one. It returns nil
// where the last attempt was too short a while ago, and where seen, on which
// the caller has decided to join, is the credential at hand no more.
func (k *keeper) join(seen *Snapshot) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight == nil && (k.cur.Load() != seen || time.Now().Before(k.retryAt)) {
		return nil
	}
	return k.begin()
}

// begin is join without conditions. k.mu is held.
func (k *keeper) begin() *flight {
	if k.flight != nil {
		return k.flight
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{cancel: cancel, done: make(chan struct{})}
	before := k.last
	k.flight, k.last = f, f
	f.running.Go(func() {
		if before != nil {
			before.running.Wait() // it may still be writing the cache
		}
		k.fly(ctx, f)
	})
	return f
}

// stop ends the flight that is under way, if any, and waits for it.
func (k *keeper) stop() {
	k.mu.Lock()
	f := k.last
	k.mu.Unlock()
	if f != nil {
		f.cancel()
		f.running.Wait()
	}
}

func (k *keeper) fly(ctx context.Context, f *flight) {
	switched := k.refreshOnce(ctx, f)
	f.cancel()
	close(f.done)
	k.poke()
	if switched && k.changed != nil {
		k.changed(false)
	}
	if kindOf(f.err) == NoRole {
		k.noRole()
	}
}

// refreshOnce takes what the disk cache holds or, holding its lock, asks the
// source. It reports whether the instance's role has become another.
func (k *keeper) refreshOnce(ctx context.Context, f *flight) (switched bool) {
	if k.cur.Load() == nil {
		if g, _ := k.store.load(); g != nil {
			f.cached = true
			return k.land(ctx, f, g, nil)
		}
	}
	unlock := k.store.lock(ctx)
	defer unlock()
	held, old := k.store.sweep()
	if held != nil && k.adopts(held) {
		f.cached = true
		return k.land(ctx, f, held, nil)
	}
	if old != nil && k.cur.Load() == nil {
		same, err := k.confirm(ctx, old)
		switch {
		case err != nil:
			return k.land(ctx, f, nil, err)
		case same:
			f.cached = true
			defer k.keep(nil) // under this boot
			return k.land(ctx, f, old, nil)
		}
		k.log.Warn("cached credential dropped", "err", errForeign)
		k.store.remove()
	}
	got, err := k.ask(ctx)
	if err == nil {
		defer k.keep(held)
	}
	return k.land(ctx, f, got, err)
}

// errForeign is logged when a cached credential turns out to be another
// instance's or role's, as after cloning a disk.
var errForeign = errors.New("it belongs to another instance or role")

// confirm asks the source about a credential cached in another boot.
func (k *keeper) confirm(ctx context.Context, old *grant) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, k.limit)
	defer cancel()
	return k.src.confirm(ctx, old)
}

// askAgainAfter is the wait before the second try of one refresh.
const askAgainAfter = 250 * time.Millisecond

// ask asks the source, twice if it does not answer while there is nothing to
// go on with.
func (k *keeper) ask(ctx context.Context) (*grant, error) {
	ctx, cancel := context.WithTimeout(ctx, k.limit)
	defer cancel()
	got, err := k.src.fetch(ctx)
	if s := k.cur.Load(); kindOf(err) != Unreachable || (s != nil && s.Expires.After(k.clk.now())) {
		return got, err
	}
	select {
	case <-time.After(askAgainAfter):
	case <-ctx.Done():
		return nil, err
	}
	return k.src.fetch(ctx)
}

// land makes known how a flight ended, and reports whether the instance's role
// has become another.
func (k *keeper) land(ctx context.Context, f *flight, got *grant, err error) (switched bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.grant
	k.flight = nil
	switch {
	case err != nil && ctx.Err() != nil:
		err = errStopped
	case err != nil:
		if kindOf(err) < 0 { // the limit of time came between requests
			err = failf(Unreachable, "get credential: %w", err)
		}
		k.fail(err)
	default:
		k.settle(got, f.cached)
	}
	f.err = err
	return before != nil && before.role != k.grant.role
}

// adopts reports whether g, which another process has put into the disk cache,
// saves this one a request.
func (k *keeper) adopts(g *grant) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	cur, now := k.cur.Load(), k.clk.now()
	if cur == nil {
		return true
	}
	switch {
	case g.expires.Sub(now) < urgentCache:
		return false
	case g.id == cur.AccessKeyID: // has another process just asked and got the same?
		theirs := cur.Source == fromCache || g.fetched.After(cur.Fetched)
		return theirs && k.refused == cur.Generation && now.Sub(g.fetched).Abs() < forceEvery
	}
	return g.fetched.After(cur.Fetched) && k.supersedes(g, cur, now)
}

// keep writes the credential at hand to the disk cache, which holds held.
func (k *keeper) keep(held *grant) {
	k.mu.Lock()
	g := k.grant
	k.mu.Unlock()
	if g == nil || k.store == nil || (held != nil && held.id == g.id && held.fetched.Equal(g.fetched)) {
		return
	}
	if err := k.store.save(g); err != nil {
		k.log.Warn("credential not cached", "dir", k.store.dir, "err", err)
	}
}
