package creds

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A source is where a keeper gets its credential.
type source interface {
	// fetch asks for a credential.
	fetch(ctx context.Context) (*grant, error)

	// confirm reports whether g, which was cached in another boot, still
	// belongs to this instance and its role.
	confirm(ctx context.Context, g *grant) (bool, error)
}

// A keeper holds one credential and decides when to ask for the next.
type keeper struct {
	src    source
	name   string        // Snapshot.Source of what src gives
	limit  time.Duration // for all that one refresh asks
	advise advise
	store  *store // nil without a disk cache
	clk    *clock
	log    *slog.Logger
	known  *atomic.Pointer[Identity] // gets the identity of what is published

	assumes string // ARN for Snapshot.Role; "" means the instance's role

	// look returns the role that is attached now; nil to not look.
	look func(ctx context.Context) (string, error)
	// changed is told that the instance has another role, or none; may be nil.
	changed func(gone bool)

	cur atomic.Pointer[Snapshot]
	// hot is cur when its end is known to be over a second away. It is reset
	// by the thaw timer, so that a reader need not look at the clock.
	hot  atomic.Pointer[Snapshot]
	wake chan struct{} // capacity 1: the schedule has changed

	mu     sync.Mutex
	thaw   *time.Timer
	flight *flight // under way
	last   *flight // the newest, which may be over
	err    error   // of the last attempt, nil after a success
	grant  *grant  // what cur was made of

	// The schedule. refreshAt is on the corrected wall clock, like expiry; the
	// others are instants of the monotonic one, which nobody sets.
	refreshAt time.Time
	retryAt   time.Time // not before this
	lookAt    time.Time
	failures  int
	warnedAt  time.Time // of the last log line about them

	refused     uint64    // generation that a service has refused
	refusals    int       // answers that brought no other since
	forcedAt    time.Time // of the last forced refresh
	noRoleSince time.Time // first of the looks in a row that found none
}

// hotFor bounds how long a reader may rely on an earlier look at the clock.
const hotFor = 50 * time.Millisecond

// credentials returns the credential at hand, without waiting for anything.
func (k *keeper) credentials() (*Snapshot, error) {
	if s := k.hot.Load(); s != nil {
		return s, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.cur.Load()
	now := k.clk.now()
	if s == nil || !s.Expires.After(now) {
		return nil, k.missing(s, now)
	}
	if s.Expires.Sub(now) > time.Second {
		k.hot.Store(s)
		if k.thaw == nil {
			k.thaw = time.AfterFunc(hotFor, func() { k.hot.Store(nil) })
		} else {
			k.thaw.Reset(hotFor)
		}
	}
	return s, nil
}

// missing says why there is no usable credential. k.mu is held.
func (k *keeper) missing(s *Snapshot, now time.Time) error {
	switch {
	case s == nil && k.err == nil:
		return failf(Pending, "get credential: none has been asked for yet")
	case s == nil:
		return k.err
	}
	ended := now.Sub(s.Expires).Round(time.Second)
	if k.err == nil {
		return failf(Expired, "get credential: it ended %v ago", ended)
	}
	if e, ok := errors.AsType[*Error](k.err); ok && !e.Temporary() {
		return k.err
	}
	return failf(Expired, "get credential: it ended %v ago, and no other could be had: %w", ended, k.err)
}

// get is credentials, but loads or fetches one where there is none, and waits
// for another when the end is near.
func (k *keeper) get(ctx context.Context) (*Snapshot, error) {
	for {
		s := k.cur.Load()
		now := k.clk.now()
		if s != nil && s.Expires.Sub(now) > margin(s) {
			return s, nil
		}
		f := k.join(s)
		if f == nil && k.cur.Load() != s {
			continue
		} else if f == nil { // the last attempt is too recent
			return k.credentials()
		}
		err := f.wait(ctx, s != nil && s.Expires.After(now))
		switch {
		case ctx.Err() != nil:
			if s, err := k.credentials(); err == nil {
				return s, nil
			}
			return nil, context.Cause(ctx)
		case f.cached || errors.Is(err, errStopped):
			continue // one more: a cached credential may be near its end
		}
		return k.credentials()
	}
}

func margin(s *Snapshot) time.Duration {
	if s.Source == fromCache {
		return urgentCache
	}
	return urgent
}

// invalidate notes that a service refuses a generation, and starts a refresh
// unless there was one already.
func (k *keeper) invalidate(generation uint64) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.cur.Load()
	switch {
	case s == nil || s.Generation != generation:
		return nil // there is a newer one already
	case k.refused == generation, !k.forcedAt.IsZero() && time.Since(k.forcedAt) < forceEvery:
		return k.flight
	}
	k.refused, k.refusals = generation, 0
	k.forcedAt = time.Now()
	k.refreshAt, k.retryAt = time.Time{}, time.Time{}
	return k.begin()
}

// force asks for another credential now.
func (k *keeper) force() {
	k.mu.Lock()
	k.refreshAt, k.retryAt = time.Time{}, time.Time{}
	k.mu.Unlock()
	k.poke()
}

func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// refresh asks for another credential than the one of the given generation and
// waits for the outcome.
func (k *keeper) refresh(ctx context.Context, generation uint64) (*Snapshot, error) {
	if f := k.invalidate(generation); f != nil {
		if err := f.wait(ctx, false); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		} else if err != nil && !errors.Is(err, errStopped) {
			return nil, err
		}
	}
	return k.get(ctx)
}
