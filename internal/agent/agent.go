package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
)

const (
	firstRetry = 5 * time.Second // of a job that could not be started
	lastRetry  = time.Minute
)

// Options are what an Agent needs. All but Termination, Report and
// Logger are required.
type Options struct {
	Config *config.Config

	// Jobs are the jobs to run, of those in Config.
	Jobs []*config.Job

	// Vars returns what stands for the placeholders of a job's prefix. It may
	// ask the metadata service, and fails where that cannot tell.
	Vars func(ctx context.Context, job *config.Job) (config.Vars, error)

	// Bucket returns the client of a bucket. It may ask the metadata service
	// for the region.
	Bucket func(ctx context.Context, name string) (upload.Bucket, error)

	// Limiter paces the clients' bodies. The agent sets it by the timetable of
	// agent.bandwidth.
	Limiter *rate.Limiter

	// Grace returns how long uploads may go on after Run or Sync was told to
	// stop. It is asked when that has happened.
	Grace func() time.Duration

	// Termination returns when this instance will be taken away, false while
	// that is not known. Run asks about once a minute, and when there is a time
	// no job waits for quiet any more. nil means that it never is.
	Termination func(ctx context.Context) (at time.Time, set bool, err error)

	// Report hears of the outcome of every attempt; nil means nobody.
	Report func(plan.Event)

	Logger *slog.Logger // nil means none
}

// An Agent runs jobs.
type Agent struct {
	opt    Options
	log    *slog.Logger
	roster roster
}

// New returns an Agent. It starts nothing and touches nothing.
func New(opt Options) *Agent {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Report == nil {
		opt.Report = func(plan.Event) {}
	}
	return &Agent{opt: opt, log: opt.Logger}
}

// A pipeline is what all jobs share: the index, the queue over their lanes and
// the workers that take from it.
type pipeline struct {
	index    index
	queue    *plan.Queue
	uploader *upload.Uploader
	report   func(plan.Event)
}

func (a *Agent) newPipeline(ix index, opt plan.Options) *pipeline {
	q := plan.NewQueue(opt)
	return &pipeline{index: ix, queue: q, report: opt.Report, uploader: upload.New(q, upload.Options{
		Workers: a.opt.Config.Agent.MaxUploads,
		Memory:  int64(a.opt.Config.Agent.Memory),
		Grace:   a.opt.Grace,
		Logger:  a.log,
	})}
}

// Run scans, watches and uploads until ctx is done. Then no new upload is
// begun, those under way get their grace, and the index is closed last. Run
// fails only for what concerns every job, such as an index that is in use.
func (a *Agent) Run(ctx context.Context) error {
	ix, err := a.openIndex(ctx)
	if err != nil {
		return err
	}
	p := a.newPipeline(ix, plan.Options{Report: a.reporter()})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.uploader.Run(gctx) })
	g.Go(func() error { return a.throttle(gctx) })
	g.Go(func() error { a.watchRelease(gctx); return nil })
	for _, job := range a.opt.Jobs {
		g.Go(func() error { return a.keep(gctx, p, job) })
	}
	return errors.Join(g.Wait(), ix.Close())
}

// keep runs one job until ctx is done, again and again where it cannot be
// started: a source may be mounted later, the metadata service come back.
func (a *Agent) keep(ctx context.Context, p *pipeline, job *config.Job) error {
	wait := firstRetry
	for {
		begun := time.Now()
		err := a.serve(ctx, p, job)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errReplaced) {
			a.log.WarnContext(ctx, "source is another directory now", "job", job.Name, "path", job.Source)
			continue
		}
		if time.Since(begun) > lastRetry {
			wait = firstRetry
		}
		a.roster.fail(job.Name, err)
		a.log.ErrorContext(ctx, "job not running", "job", job.Name, "wait", wait, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// serve runs one job until ctx is done or it fails.
func (a *Agent) serve(ctx context.Context, p *pipeline, job *config.Job) (err error) {
	l, err := a.open(ctx, p, job)
	if err != nil {
		return err
	}
	// What is in flight ends before the source is closed; the workers see to
	// it that this does not take longer than the grace.
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx))) }()
	a.roster.add(l)
	defer a.roster.remove(l)
	a.log.InfoContext(ctx, "job started", "job", job.Name, "path", job.Source, "bucket", job.Bucket, "prefix", l.prefix)
	return l.watcher.Run(ctx)
}

// openAll opens every job. Errors are those of single jobs.
func (a *Agent) openAll(ctx context.Context, p *pipeline) (lines []*line, errs []error) {
	var mu sync.Mutex
	var g errgroup.Group
	for _, job := range a.opt.Jobs {
		g.Go(func() error {
			l, err := a.open(ctx, p, job)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, &JobError{job.Name, err})
				return nil
			}
			lines = append(lines, l)
			return nil
		})
	}
	_ = g.Wait() // its functions never fail
	return lines, errs
}

// A JobError is a failure of one job as a whole.
type JobError struct {
	Job string
	Err error
}

func (e *JobError) Error() string { return "job " + e.Job + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *JobError) Unwrap() error { return e.Err }
