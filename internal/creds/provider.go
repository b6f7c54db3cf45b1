package creds

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Provider holds the credential of this instance. All methods are safe for
// concurrent use, and all but Run and ObserveDate return *Error when they
// fail, or the cause of their context's end.
type Provider struct {
	err     error // of the options; everything fails with it
	clk     clock
	meta    *metadata
	role    *keeper
	assumed *keeper // nil without role chaining
	top     *keeper // the one that users get

	caching bool
	known   atomic.Pointer[Identity]

	// identify is held, by what is in it, while the service is asked for the
	// identity. The others belong to its holder.
	identify chan struct{}
	whoErr   error
	whoAt    time.Time

	spot *lookout
}

// New returns a Provider. It starts nothing: all work is done inside Run, or
// inside the calls that need it. Options that are wrong, or that forbid to ask,
// make every call fail; see Options.Check.
func New(opt Options) *Provider {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Endpoint == "" {
		opt.Endpoint = DefaultEndpoint
	}
	if opt.wall == nil {
		opt.wall = time.Now
	}
	p := &Provider{
		clk:      clock{wall: opt.wall, log: opt.Logger},
		caching:  opt.CacheDir != "",
		identify: make(chan struct{}, 1),
	}
	if opt.Disabled {
		p.err = failf(DisabledByEnv, "get credential: ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids to ask the metadata service")
		return p
	}
	if err := opt.Check(); err != nil {
		p.err = failf(Misconfigured, "get credential: %w", oneLine(err))
		return p
	}
	p.meta = newMetadata(&opt, &p.clk)
	p.spot = newLookout(p.meta)
	src := &roleSource{meta: p.meta, role: opt.Role, known: &p.known, identify: p.caching}
	p.role = p.keeper(&opt, src, fromMetadata, adviseRole)
	p.role.look = src.look
	p.top = p.role
	if opt.AssumeRole.ARN != "" {
		p.chain(&opt)
	}
	return p
}

func (p *Provider) keeper(opt *Options, src source, name string, advise advise) *keeper {
	return &keeper{
		src:    src,
		name:   name,
		limit:  attemptTimeout,
		advise: advise,
		store:  newStore(opt, name, &p.clk),
		clk:    &p.clk,
		log:    opt.Logger,
		known:  &p.known,
		wake:   make(chan struct{}, 1),
	}
}

// Run refreshes the credential in the background until ctx is done, and then
// returns nil. It fails at once when the options are wrong. A service that is
// down does not end it.
func (p *Provider) Run(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	var g errgroup.Group
	g.Go(func() error { p.role.run(ctx); return nil })
	if p.assumed != nil {
		g.Go(func() error { p.assumed.run(ctx); return nil })
	}
	err := g.Wait()
	p.role.stop() // for what the assumed role has asked of it since
	return err
}

// Credentials returns the credential at hand. It never waits, and looks at the
// clock only every 50 ms.
func (p *Provider) Credentials() (*Snapshot, error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.top.credentials()
}

// Get returns the credential at hand. Where there is none, or its end is less
// than a minute away, it takes one from the disk cache or asks for one, and
// waits for the outcome or ctx. After a failure it does not ask again before a
// growing wait is over, but fails at once.
func (p *Provider) Get(ctx context.Context) (*Snapshot, error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.top.get(ctx)
}

// Invalidate notes that a service has refused the credential of a generation,
// and starts to get another. Nothing happens when there is a newer one, when
// the generation was refused before, or within 10 s of another refusal.
func (p *Provider) Invalidate(generation uint64) {
	if p.err == nil {
		p.top.invalidate(generation)
	}
}

// Refresh is Invalidate, but waits for the outcome. When it returns a snapshot
// of the same generation there is no other to be had now.
func (p *Provider) Refresh(ctx context.Context, generation uint64) (*Snapshot, error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.top.refresh(ctx, generation)
}

// Identity says which instance this is. It asks the metadata service once,
// and not at all when a credential was cached in this boot.
func (p *Provider) Identity(ctx context.Context) (Identity, error) {
	if p.err != nil {
		return Identity{}, p.err
	}
	if p.caching && p.known.Load() == nil {
		switch _, err := p.top.get(ctx); kindOf(err) {
		case Unreachable, Disabled, NotMetadata:
			return Identity{}, err // and would not answer this either
		}
	}
	return p.instance(ctx)
}

// instance is Identity without the disk cache.
func (p *Provider) instance(ctx context.Context) (Identity, error) {
	if id := p.known.Load(); id != nil {
		return *id, nil
	}
	select {
	case p.identify <- struct{}{}:
		defer func() { <-p.identify }()
	case <-ctx.Done():
		return Identity{}, context.Cause(ctx)
	}
	if id := p.known.Load(); id != nil {
		return *id, nil
	}
	if p.whoErr != nil && time.Since(p.whoAt) < time.Second {
		return Identity{}, p.whoErr // of whom this caller has waited for
	}
	id, err := p.ask(ctx)
	if ctx.Err() != nil && err != nil {
		return Identity{}, context.Cause(ctx)
	}
	p.whoErr, p.whoAt = err, time.Now()
	return id, err
}

// ask asks the metadata service for the identity.
func (p *Provider) ask(ctx context.Context) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	s, err := p.meta.open(ctx)
	if err != nil {
		return Identity{}, err
	}
	id, err := s.identity(ctx)
	if err == nil {
		p.known.Store(&id)
	}
	return id, err
}

// ObserveDate takes the Date header of an answer that has just come from OSS.
func (p *Provider) ObserveDate(t time.Time) {
	p.clk.observe(t, p.clk.wall(), false)
}

// Offset returns what must be added to this machine's clock to get the time
// that services last told; 0 when none has. It is exact to a second or so.
func (p *Provider) Offset() time.Duration {
	return time.Duration(p.clk.offset.Load())
}
