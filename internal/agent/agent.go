package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
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

// Options are what an Agent needs. Jobs, Vars, Bucket, Limiter and Grace are
// required.
type Options struct {
	Config *config.Config // at the start; nil means the defaults

	// Jobs are the jobs to run at the start, of those in Config.
	Jobs []*config.Job

	// Vars returns what stands for the placeholders of a job's prefix. It may
	// ask the metadata service, and fails where that cannot tell.
	Vars func(ctx context.Context, job *config.Job) (config.Vars, error)

	// Bucket returns the client of a bucket. It may ask the metadata service
	// for the region.
	Bucket func(ctx context.Context, name string) (upload.Bucket, error)

	// List is asked by Verify, and after the index was made anew; nil means
	// that buckets cannot be listed.
	List ListFunc

	// Limiter paces the clients' bodies. The agent sets it by the timetable of
	// agent.bandwidth.
	Limiter *rate.Limiter

	// Grace returns how long uploads may go on after Run or Sync was told to
	// stop, given what agent.stop_grace says then. It is asked when that has
	// happened.
	Grace func(configured time.Duration) time.Duration

	// Termination returns when this instance will be taken away, false while
	// that is not known. Run asks about once a minute, and when there is a time
	// no job waits for quiet any more. nil means that it never is.
	Termination func(ctx context.Context) (at time.Time, set bool, err error)

	// Sockets are the addresses at which Run may listen for a Client, as
	// config.Sockets tells them; nil means that it does not.
	Sockets []string

	// ConfigFile is the absolute path of the file that Config was read from, by
	// which a Client can know this agent too; "" for none.
	ConfigFile string

	// About returns what the agent itself cannot tell of its status. nil means
	// that there is nothing.
	About func() Status

	// Reload reads the configuration anew; Jobs are those to run. nil means
	// that this cannot be done.
	Reload func() (*config.Config, []*config.Job, error)

	// Guards let jobs notice another agent below their prefix. nil means that
	// they do not look.
	Guards *Guards

	// Report hears of the outcome of every attempt; nil means nobody.
	Report func(plan.Event)

	Logger *slog.Logger // nil means none
}

// An Agent runs jobs.
type Agent struct {
	opt    Options
	log    *slog.Logger
	roster *roster
	home   *installation
	orders chan order // to the manager of Run

	pipe      atomic.Pointer[pipeline]      // of Run; nil while there is none
	current   atomic.Pointer[config.Config] // as far as it counts without a restart
	reloading sync.Mutex                    // one Reload at a time
}

// New returns an Agent. It starts nothing and touches nothing.
func New(opt Options) *Agent {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Report == nil {
		opt.Report = func(plan.Event) {}
	}
	if opt.Config == nil {
		c := config.Default()
		opt.Config = &c
	}
	a := &Agent{opt: opt, log: opt.Logger, roster: newRoster(opt.Jobs), orders: make(chan order)}
	a.home = &installation{dir: opt.Config.StateDir()}
	a.current.Store(opt.Config)
	return a
}

// config returns the configuration as it counts now.
func (a *Agent) config() *config.Config { return a.current.Load() }

// A pipeline is what all jobs share: the index, the queue over their lanes and
// the workers that take from it.
type pipeline struct {
	index    index
	queue    *plan.Queue
	uploader *upload.Uploader
	report   func(plan.Event)
}

func (a *Agent) newPipeline(ix index, opt plan.Options) *pipeline {
	opt.Large = upload.LargeOver(int64(a.config().Agent.Memory))
	q := plan.NewQueue(opt)
	return &pipeline{index: ix, queue: q, report: opt.Report, uploader: upload.New(q, upload.Options{
		Workers: a.config().Agent.MaxUploads,
		Memory:  int64(a.config().Agent.Memory),
		Grace:   func() time.Duration { return a.opt.Grace(time.Duration(a.config().Agent.StopGrace)) },
		Logger:  a.log,
	})}
}

// Run scans, watches and uploads, and answers a Client, until ctx is done. Then
// no new upload is begun, those under way get their grace, and the index is
// closed last. Run fails only for what concerns every job, such as an index
// that is in use.
func (a *Agent) Run(ctx context.Context) error {
	ix, err := a.openIndex(ctx)
	if err != nil {
		return err
	}
	p := a.newPipeline(ix, plan.Options{Report: a.reporter()})
	a.pipe.Store(p)
	defer a.pipe.Store(nil)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.uploader.Run(gctx) })
	g.Go(func() error { return a.throttle(gctx) })
	g.Go(func() error { a.watchRelease(gctx); return nil })
	g.Go(func() error { a.keepSnapshots(gctx, ix); return nil })
	m := &manager{agent: a, pipe: p, running: map[string]*runner{}}
	g.Go(func() error { return m.run(gctx) })
	endControl := a.startControl(gctx)
	err = g.Wait()
	endControl()
	return errors.Join(err, ix.Close())
}

// openAll opens every job. Errors are those of single jobs.
func (a *Agent) openAll(ctx context.Context, p *pipeline) (lines []*line, errs []error) {
	var mu sync.Mutex
	var g errgroup.Group
	for _, job := range a.roster.all() {
		g.Go(func() error {
			l, err := a.open(ctx, p, job)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, &JobError{job.Name, err})
				return nil
			}
			a.roster.add(l)
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
