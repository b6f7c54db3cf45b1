package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/upload"
)

// LeaseStore are the calls about leases. *bucket.Bucket is the one in the
// product. Errors are as those of [upload.Objects].
type LeaseStore interface {
	// Get reads an object; the reader must be closed.
	Get(ctx context.Context, key string) (io.ReadCloser, upload.Stored, error)
	Put(ctx context.Context, key string, body []byte, h upload.Header) (upload.Stored, error)
	// PutNew stores an object where there is none. Its error is of the class
	// Conflict where there is one, if the bucket can tell.
	PutNew(ctx context.Context, key string, body []byte, h upload.Header) (upload.Stored, error)
}

// Guards are what jobs need to notice another agent below their prefix.
type Guards struct {
	Instance func(ctx context.Context) (id string, err error) // this instance's
	Store    func(ctx context.Context, bucket string) (LeaseStore, error)
	Now      func() time.Time // by the clock of OSS
}

// A guard sees to it that a job notices another agent that writes below its
// prefix: an instance that was cloned from this one's disk, or one that is
// configured alike. It never holds up an upload, and deletes only by a lease
// that it has looked at within the last minute.
//
// The lease is taken when the job has changed something in the bucket for the
// first time, or an hour after its start, and is renewed every hour from then
// on: one GET and one PUT. A nil guard guards nothing.
type guard struct {
	opt     Guards
	job     *config.Job
	key     string // of the lease
	home    *installation
	deletes bool   // the job deletes objects
	changed func() // hears that deletions that were held may go on
	log     *slog.Logger

	keeps  atomic.Bool   // the lease is taken and renewed, not only looked at
	active chan struct{} // the job has changed something in the bucket

	mu      sync.Mutex // one exchange with the bucket at a time
	held    bool
	blind   bool      // the role may not read the lease
	started time.Time // when the lease was taken
	looked  time.Time // when it was last known whose the lease is, by this machine's clock

	verdict atomic.Pointer[error] // why deletions are held; nil or nil in it: they are not
	rival   atomic.Pointer[RivalError]
}

// newGuard returns the guard of a job, nil where nobody else can write below its
// prefix.
func (a *Agent) newGuard(job *config.Job, prefix string) *guard {
	if a.opt.Guards == nil || !config.Shareable(job.Prefix) {
		return nil
	}
	return &guard{
		opt: *a.opt.Guards, job: job, key: config.LeaseKey(prefix), home: a.home,
		deletes: job.Deletes != "keep", changed: func() {},
		log: a.log.With("job", job.Name), active: make(chan struct{}, 1),
	}
}

// touch says that the job has changed something in the bucket.
func (g *guard) touch() {
	if g == nil {
		return
	}
	select {
	case g.active <- struct{}{}:
	default:
	}
}

// beside runs f, and keeps the lease while it runs.
func (g *guard) beside(ctx context.Context, f func(context.Context) error) error {
	if g == nil {
		return f(ctx)
	}
	g.keeps.Store(true)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { g.run(ctx) })
	return f(ctx)
}

// run keeps the lease until ctx is done.
func (g *guard) run(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-g.active:
	case <-time.After(jitter(leaseRenewal)):
	}
	for wait := leaseRetry; ; {
		err := g.look(ctx, 0)
		if ctx.Err() != nil {
			return
		}
		next := jitter(leaseRenewal)
		if _, ok := errors.AsType[*RivalError](err); err != nil && !ok && !g.isBlind() {
			next, wait = jitter(wait), min(2*wait, leaseRenewal)
		} else {
			wait = leaseRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
	}
}

// leaseRetry is how long the guard waits at first after a failure.
const leaseRetry = time.Minute

// jitter returns d, a tenth more or less.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)))
}

func (g *guard) isBlind() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.blind
}

// forbids returns why nothing may be deleted now, "" if it may. What may pass
// it tries again, for a second or so.
func (g *guard) forbids(ctx context.Context) string {
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		err := g.look(ctx, leaseFresh)
		if err == nil {
			return ""
		}
		if !errors.Is(err, upload.Transient) || wait > time.Second {
			return err.Error()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err().Error()
		}
	}
}

// troubles returns the agent that writes below the same prefix, nil for none.
func (g *guard) troubles() *RivalError {
	if g == nil {
		return nil
	}
	return g.rival.Load()
}

// look looks at the lease, unless that was done less than fresh ago, and takes
// or renews it where that is its to do. It returns why nothing may be deleted.
func (g *guard) look(ctx context.Context, fresh time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.verdict.Load(); v != nil && time.Since(g.looked) < fresh {
		return *v
	}
	begun := time.Now()
	err := g.exchange(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rival, _ := errors.AsType[*RivalError](err)
	g.tell(ctx, rival, err)
	g.rival.Store(rival)
	before := g.verdict.Swap(&err)
	g.looked = time.Time{} // a failure is no look
	if err == nil || rival != nil {
		g.looked = begun
	}
	if err == nil && before != nil && *before != nil {
		g.changed()
	}
	return err
}

// tell logs what is news: a rival that appears or goes, a lease that cannot be
// had.
func (g *guard) tell(ctx context.Context, rival *RivalError, err error) {
	was := g.rival.Load()
	before := g.verdict.Load()
	switch {
	case rival != nil && (was == nil || was.Lease.holder() != rival.Lease.holder()):
		g.log.WarnContext(ctx, "another agent writes below this prefix", "key", g.key, "err", err)
	case rival != nil:
	case err != nil && (before == nil || *before == nil || was != nil):
		g.log.WarnContext(ctx, "not known whether another agent writes below this prefix", "key", g.key, "err", err)
	case err == nil && was != nil:
		g.log.InfoContext(ctx, "no other agent writes below this prefix any more", "key", g.key)
	}
}
