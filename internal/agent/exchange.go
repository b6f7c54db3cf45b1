package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/upload"
)

// exchange makes out whose the lease is, and makes it ours where it is nobody's.
func (g *guard) exchange(ctx context.Context) error {
	me, err := g.me(ctx)
	if err != nil {
		return err
	}
	store, err := g.opt.Store(ctx, g.job.Bucket)
	if err != nil {
		return err
	}
	for range leaseTries {
		found, age, err := ReadLease(ctx, store, g.key, g.opt.Now())
		if refused(err) {
			return g.blindly(ctx, store, me)
		}
		if err != nil {
			return err
		}
		g.blind = false
		switch decideLease(found, me, g.held, age) {
		case stepKeep:
			g.held, g.started = true, found.Started
			return nil
		case stepYield:
			g.held = false
			return &RivalError{Key: g.key, Lease: *found, Mine: me, At: g.opt.Now().Add(-age)}
		case stepRenew:
			g.held, g.started = true, found.Started
			return g.renew(ctx, store, me)
		case stepTake:
			if !g.keeps.Load() {
				return nil
			}
			if err := g.take(ctx, store, me, found); err != nil {
				return err
			}
		}
	}
	return errContested
}

// leaseTries is how often a lease is read again after somebody may have been
// faster.
const leaseTries = 3

// errContested says that several agents took the lease at the same time.
var errContested = errors.New("the lease changes hands: several agents begin to write below one prefix")

// me returns who this agent is.
func (g *guard) me(ctx context.Context) (Holder, error) {
	instance, err := g.opt.Instance(ctx)
	if err == nil && instance == "" {
		err = errors.New("the instance's id is not known")
	}
	if err != nil {
		return Holder{}, err
	}
	id, err := g.home.id()
	return Holder{instance, id}, err
}

// longestLease bounds what is read of a lease, in bytes.
const longestLease = 16 << 10

// ReadLease returns the lease at key and how old it was at now, by the clock of
// OSS; nil where there is none. What is no lease is returned as an empty one.
func ReadLease(ctx context.Context, store LeaseStore, key string, now time.Time) (*Lease, time.Duration, error) {
	body, stored, err := store.Get(ctx, key)
	if errors.Is(err, upload.Missing) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	b, err := io.ReadAll(io.LimitReader(body, longestLease))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, 0, err
	}
	l, err := parseLease(b)
	if err != nil {
		l = &Lease{}
	}
	if stored.Modified.IsZero() {
		return l, now.Sub(l.Renewed), nil
	}
	return l, max(0, now.Sub(stored.Modified)), nil
}

// ExamineLease looks at the lease of a job whose prefix is expanded, as Run over
// this state directory would, and changes nothing. The lease is nil where there
// is none or the prefix is this instance's alone. The error is a *RivalError
// where the lease is another agent's.
func (g Guards) ExamineLease(ctx context.Context, job *config.Job, prefix, stateDir string) (*Lease, error) {
	if !config.Shareable(job.Prefix) {
		return nil, nil
	}
	instance, err := g.Instance(ctx)
	if err != nil {
		return nil, err
	}
	store, err := g.Store(ctx, job.Bucket)
	if err != nil {
		return nil, err
	}
	home := &installation{dir: stateDir}
	if err := home.load(); err != nil {
		return nil, err
	}
	me, key := Holder{instance, home.data.ID}, config.LeaseKey(prefix)
	found, age, err := ReadLease(ctx, store, key, g.Now())
	if err == nil && decideLease(found, me, false, age) == stepYield {
		err = &RivalError{Key: key, Lease: *found, Mine: me, At: g.Now().Add(-age)}
	}
	return found, err
}

// take makes the lease ours, and waits until it can be seen whether somebody
// else did so at the same time.
func (g *guard) take(ctx context.Context, store LeaseStore, me Holder, found *Lease) error {
	g.started = g.opt.Now()
	put := store.Put
	if found == nil {
		put = store.PutNew
	}
	if err := g.put(ctx, put, me); err != nil && !errors.Is(err, upload.Conflict) {
		return err
	}
	select {
	case <-time.After(leasePause):
	case <-ctx.Done():
	}
	return ctx.Err()
}

// renew says that we are still there. Where that is refused for good, as by a
// retention policy, the lease is still ours.
func (g *guard) renew(ctx context.Context, store LeaseStore, me Holder) error {
	if !g.keeps.Load() {
		return nil
	}
	if g.started.IsZero() {
		g.started = g.opt.Now()
	}
	err := g.put(ctx, store.Put, me)
	if err != nil && ctx.Err() == nil {
		g.log.WarnContext(ctx, "lease not renewed", "key", g.key, "err", err)
	}
	return ctx.Err()
}

func (g *guard) put(ctx context.Context, put func(context.Context, string, []byte, upload.Header) (upload.Stored, error), me Holder) error {
	host, _ := os.Hostname() // for people only
	body, err := json.MarshalIndent(Lease{
		InstanceID: me.InstanceID, Installation: me.Installation, Hostname: host, Job: g.job.Name,
		Started: g.started.UTC().Truncate(time.Second), Renewed: g.opt.Now().UTC().Truncate(time.Second),
	}, "", "  ")
	if err != nil {
		return err
	}
	h := upload.Header{ContentType: "application/json", Encryption: g.job.Encryption}
	if _, err = put(ctx, g.key, append(body, '\n'), h); err != nil {
		return err
	}
	return g.home.remember(g.job.Bucket+"/"+g.key, me.InstanceID)
}

// errUnseen says that a lease is there, and that nothing else is known of it.
var errUnseen = errors.New("somebody has written below the same prefix, perhaps this agent before it lost its state, and the role may not read who: allow oss:GetObject on the lease, as osssync policy prints it")

// blindly does without reading: whoever stores the lease first has it for good,
// and the state directory knows who that was.
func (g *guard) blindly(ctx context.Context, store LeaseStore, me Holder) error {
	wrote, err := g.home.wrote(g.job.Bucket + "/" + g.key)
	switch {
	case err != nil:
		return err
	case wrote == me.InstanceID:
		g.held, g.blind = true, true
		return nil
	case !g.keeps.Load():
		return nil
	}
	g.started = g.opt.Now()
	err = g.put(ctx, store.PutNew, me)
	switch {
	case err == nil:
		g.held, g.blind = true, true
		return nil
	case errors.Is(err, upload.Conflict):
		g.held, g.blind = false, true
		return errUnseen
	}
	return err
}

// refused reports whether the role may not do something.
func refused(err error) bool {
	e, ok := errors.AsType[*upload.RequestError](err)
	return ok && e.Status == http.StatusForbidden && e.Class == upload.ThisJob
}
