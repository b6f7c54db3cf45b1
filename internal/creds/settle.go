package creds

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// settle decides what to do with an answer. k.mu is held.
func (k *keeper) settle(got *grant, cached bool) {
	cur := k.cur.Load()
	now := k.clk.now()
	if k.failures > 0 && cur != nil {
		k.log.Info("credentials can be had again", "try", k.failures)
	}
	k.err, k.failures, k.noRoleSince = nil, 0, time.Time{}
	if cur == nil || k.supersedes(got, cur, now) {
		k.publish(got, cached)
		return
	}
	if got.id == cur.AccessKeyID {
		k.grant = got
	}
	if k.refused == cur.Generation {
		k.refusals++
		k.retryAt = time.Now().Add(suspicion(k.refusals))
		return
	}
	k.retryAt = time.Now().Add(sameAgain(cur.Expires.Sub(now)))
}

// supersedes reports whether got is to replace cur. Of the same role only a
// credential that lasts longer is, unless cur was refused or has ended: an
// answer from before a rotation must not undo it.
func (k *keeper) supersedes(got *grant, cur *Snapshot, now time.Time) bool {
	if got.id == cur.AccessKeyID {
		return false
	}
	return k.refused == cur.Generation || got.role != k.grant.role ||
		got.expires.After(cur.Expires) || !cur.Expires.After(now)
}

// publish makes g the credential at hand. k.mu is held.
func (k *keeper) publish(g *grant, cached bool) {
	generation := uint64(1)
	if cur := k.cur.Load(); cur != nil {
		generation = cur.Generation + 1
	}
	name, role := k.name, g.role
	if cached {
		name = fromCache
	}
	if k.assumes != "" {
		role = k.assumes
	}
	s := g.snapshot(generation, role, name)
	k.grant = g
	if g.identity != (Identity{}) {
		k.known.Store(&g.identity)
	}
	k.cur.Store(s)
	k.hot.Store(nil)
	k.refused, k.refusals, k.retryAt = 0, 0, time.Time{}
	k.refreshAt = k.advise(g.fetched, g.expires)
	k.lookAt = time.Now().Add(around(lookEvery))
	if cached {
		k.lookAt = time.Now().Add(around(lookSoon))
	}
	level := slog.LevelInfo
	if cached {
		level = slog.LevelDebug
	}
	k.log.Log(context.Background(), level, "credential obtained", "wait", k.refreshAt.Sub(k.clk.now()).Round(time.Second))
}

// fail notes a failed attempt. k.mu is held.
func (k *keeper) fail(err error) {
	k.err = err
	k.failures++
	wait := backoff(k.failures)
	if e, ok := errors.AsType[*Error](err); ok && !e.Temporary() {
		wait = between(time.Minute/2, time.Minute) // it takes a person to change this
	}
	k.retryAt = time.Now().Add(wait)
	if k.failures > 1 && time.Since(k.warnedAt) < time.Minute {
		return
	}
	k.warnedAt = time.Now()
	level := slog.LevelWarn
	if s := k.cur.Load(); s == nil || !s.Expires.After(k.clk.now()) {
		level = slog.LevelError
	}
	k.log.Log(context.Background(), level, "credential not refreshed", "err", err, "try", k.failures, "wait", wait.Round(time.Second))
}
