package agent

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/config"
)

// A manager keeps the jobs running that the configuration names, whichever it
// names at the moment. It belongs to one goroutine, which is that of run.
type manager struct {
	agent   *Agent
	pipe    *pipeline
	wg      sync.WaitGroup
	running map[string]*runner // by job
	ending  []*runner          // told to stop, not yet ended
}

// A runner is the goroutine of one job.
type runner struct {
	job  *config.Job
	stop context.CancelFunc
	done chan struct{} // closed at its end
}

// An order asks a manager to run other jobs.
type order struct {
	jobs  []*config.Job
	reply chan<- Reloaded // has room for one
}

// run starts the jobs and does as it is ordered until ctx is done and the last
// job has ended.
func (m *manager) run(ctx context.Context) error {
	defer m.wg.Wait()
	m.apply(ctx, m.agent.roster.all())
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-m.agent.orders:
			o.reply <- m.apply(ctx, o.jobs)
		}
	}
}

// apply makes the jobs that run those that are wanted. A job of which nothing
// changed is left alone. It does not wait for what ends.
func (m *manager) apply(ctx context.Context, wanted []*config.Job) Reloaded {
	r := newReloaded()
	before := map[string]bool{}
	for name, one := range m.running {
		before[name] = true
		i := slices.IndexFunc(wanted, func(j *config.Job) bool { return j.Name == name })
		if i >= 0 && reflect.DeepEqual(wanted[i], one.job) {
			continue
		}
		one.stop()
		m.ending = append(m.ending, one)
		delete(m.running, name)
		if i < 0 {
			r.Stopped = append(r.Stopped, name)
		}
	}
	slices.Sort(r.Stopped)
	m.ending = slices.DeleteFunc(m.ending, (*runner).ended)
	m.agent.roster.set(wanted)
	for _, job := range wanted {
		switch {
		case m.running[job.Name] != nil:
			r.Unchanged = append(r.Unchanged, job.Name)
			continue
		case before[job.Name]:
			r.Restarted = append(r.Restarted, job.Name)
		default:
			r.Started = append(r.Started, job.Name)
		}
		m.start(ctx, job)
	}
	return r
}

// start runs a job once those have ended that must not be at work beside it.
func (m *manager) start(ctx context.Context, job *config.Job) {
	ctx, stop := context.WithCancel(ctx)
	one := &runner{job: job, stop: stop, done: make(chan struct{})}
	m.running[job.Name] = one
	var first []*runner
	for _, old := range m.ending {
		if mustWait(job, old.job) {
			first = append(first, old)
		}
	}
	m.wg.Go(func() {
		defer close(one.done)
		defer stop()
		for _, old := range first {
			<-old.done
		}
		m.agent.keep(ctx, m.pipe, job)
	})
}

func (r *runner) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// keep runs one job until ctx is done, again and again where it cannot be
// started: a source may be mounted later, the metadata service come back.
func (a *Agent) keep(ctx context.Context, p *pipeline, job *config.Job) {
	wait := firstRetry
	for ctx.Err() == nil {
		begun := time.Now()
		err := a.serve(ctx, p, job)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errReplaced) {
			a.log.WarnContext(ctx, "source is another directory now", "job", job.Name, "path", job.Source)
			continue
		}
		if errors.Is(err, errRebuilt) {
			a.log.WarnContext(ctx, "job begins again, for the index was made anew", "job", job.Name)
			continue
		}
		if time.Since(begun) > lastRetry {
			wait = firstRetry
		}
		a.roster.fail(job.Name, err)
		a.log.ErrorContext(ctx, "job not running", "job", job.Name, "wait", wait, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-a.roster.retried(job.Name):
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
	// What is in flight ends before the source is closed. When the agent stops,
	// the workers see to it that this takes no longer than the grace.
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx))) }()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	l.proof.stop = stop
	a.roster.add(l)
	defer a.roster.remove(l)
	l.watcher.SetRescan(time.Duration(a.config().Agent.Rescan)) // it may have changed since open
	defer a.tidying(ctx, p, l)()
	a.log.InfoContext(ctx, "job started", "job", job.Name, "path", job.Source, "bucket", job.Bucket, "prefix", l.prefix)
	if err = a.prove(ctx, l); err == nil {
		err = l.guard.beside(ctx, l.watcher.Run)
	}
	if errors.Is(context.Cause(ctx), errRebuilt) {
		return errRebuilt
	}
	return err
}
