package creds

import (
	"context"
	"fmt"
	"time"
)

// run refreshes until ctx is done.
func (k *keeper) run(ctx context.Context) {
	defer k.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	seen := k.clk.read()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		before := seen
		if seen = k.clk.read(); seen.jumped(before) {
			k.reconsider()
		}
		timer.Reset(min(k.work(ctx), tick))
	}
}

// work does what is due and returns how long nothing will be.
func (k *keeper) work(ctx context.Context) time.Duration {
	seen := k.cur.Load()
	if k.dueIn() <= 0 {
		if f := k.join(seen); f != nil {
			_ = f.wait(ctx, false) // the outcome is logged where it is made
		}
	}
	if k.lookIn() <= 0 {
		k.glance(ctx)
	}
	if ctx.Err() != nil {
		return tick
	}
	return max(min(k.dueIn(), k.lookIn()), time.Millisecond)
}

// dueIn returns how long it is until the next refresh.
func (k *keeper) dueIn() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := time.Until(k.retryAt)
	if k.cur.Load() != nil {
		wait = max(wait, k.refreshAt.Sub(k.clk.now()))
	}
	return wait
}

// lookIn returns how long it is until the next look at the role.
func (k *keeper) lookIn() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.look == nil || k.cur.Load() == nil {
		return tick
	}
	return time.Until(k.lookAt)
}

// reconsider drops all that was planned by a clock that has been set, or that
// stood still while the machine slept.
func (k *keeper) reconsider() {
	k.clk.forget()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retryAt = time.Time{}
	k.lookAt = time.Now().Add(between(0, jumped))
}

// glance looks at the name of the attached role.
func (k *keeper) glance(ctx context.Context) {
	lctx, cancel := context.WithTimeout(ctx, k.limit)
	role, err := k.look(lctx)
	cancel()
	if ctx.Err() != nil {
		return
	}
	k.mu.Lock()
	had := k.grant.role
	k.lookAt = time.Now().Add(around(lookEvery))
	if err == nil {
		k.noRoleSince = time.Time{}
	}
	if err == nil && role != had {
		k.refreshAt, k.retryAt = time.Time{}, time.Time{}
	}
	if kindOf(err) == WrongRole {
		k.lookAt = time.Now().Add(around(lookLost))
	}
	k.mu.Unlock()
	switch {
	case err == nil && role != had:
		k.log.Warn("role changed", "err", fmt.Errorf("role %s is attached, no longer %s", role, had))
		k.drop()
	case err == nil:
	case kindOf(err) == NoRole:
		k.log.Warn("role detached", "err", err)
		k.noRole()
	case kindOf(err) == WrongRole:
		k.log.Warn("role changed", "err", err)
		k.drop()
		if k.changed != nil {
			k.changed(true)
		}
	default:
		k.log.Debug("role not looked at", "err", err)
	}
}

// noRole counts an answer that no role is attached. The second one a minute or
// more after the first proves it, and empties the disk cache; the credential
// at hand is served to its end, for Alibaba Cloud honours it.
func (k *keeper) noRole() {
	k.mu.Lock()
	now := time.Now()
	if k.noRoleSince.IsZero() {
		k.noRoleSince = now
	}
	gone := now.Sub(k.noRoleSince) >= detachProof
	if gone {
		k.lookAt = now.Add(around(lookLost))
	} else {
		k.lookAt = k.noRoleSince.Add(detachProof + between(0, detachProof/6))
	}
	k.mu.Unlock()
	if !gone {
		return
	}
	k.drop()
	if k.changed != nil {
		k.changed(true)
	}
}

// drop empties the disk cache.
func (k *keeper) drop() {
	unlock := k.store.lock(context.Background())
	defer unlock()
	k.store.remove()
}
