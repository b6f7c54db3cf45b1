package agent

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

const (
	leastWait = 500 * time.Millisecond // what an idle watcher takes many times over
	noLimit   = 100 * 365 * 24 * time.Hour
)

// wait returns a receipt once every change that was made before the call is
// verified in OSS, of all these jobs. It waits for a job that does not run, for
// it will; and not for one that is paused by hand. When that takes longer than
// most, jobs that are not through are said to be timed out; no wait is so short
// that it could not find out what is so already. An error is ctx.Err(), or an
// *UnknownJobError for a job that was removed meanwhile.
func (a *Agent) wait(ctx context.Context, jobs []*config.Job, most time.Duration) (Receipt, error) {
	r := Receipt{Jobs: make([]JobReceipt, len(jobs))}
	g, gctx := errgroup.WithContext(ctx)
	timed, cancel := context.WithTimeout(gctx, max(most, leastWait))
	defer cancel()
	for i, job := range jobs {
		g.Go(func() (err error) {
			r.Jobs[i], err = a.waitJob(gctx, timed, job.Name)
			return err
		})
	}
	return r, g.Wait()
}

// waitJob waits until the time is up, and asks how things stand until ctx is
// done.
func (a *Agent) waitJob(ctx, timed context.Context, job string) (JobReceipt, error) {
	for {
		p := a.roster.view(job)
		switch {
		case p == nil:
			_, err := a.roster.resolve([]string{job})
			return JobReceipt{}, err
		case p.paused:
			return a.jobReceipt(ctx, job), nil
		case p.line != nil:
			seq, err := p.line.settled(timed, p.changed)
			if err == nil {
				r := a.jobReceipt(ctx, job)
				r.Sequence, r.Done = a.roster.number(job, p.line, seq), true
				return r, nil
			}
			if timed.Err() == nil && !errors.Is(err, plan.ErrClosed) && !errors.Is(err, context.Canceled) {
				r := a.jobReceipt(ctx, job)
				if r.Paused == "" { // else that says it
					r.Error = err.Error()
				}
				return r, nil
			}
		}
		select {
		case <-p.changed:
		case <-timed.Done():
			if ctx.Err() != nil {
				return JobReceipt{}, ctx.Err()
			}
			r := a.jobReceipt(ctx, job)
			r.TimedOut = true
			return r, nil
		}
	}
}

// settled returns once all changes made before the call are answered, with the
// number of the last; or with context.Canceled when ctx is done or changed is
// closed before.
func (l *line) settled(ctx context.Context, changed <-chan struct{}) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	defer func() { _ = g.Wait() }() // it never fails
	defer cancel()
	g.Go(func() error {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
		return nil
	})
	if err := l.watcher.Barrier(ctx); err != nil {
		return 0, err
	}
	seq := l.lane.Sequence()
	_, err := l.lane.WaitFor(ctx, seq)
	return seq, err
}

// receipt says how things stand, without waiting.
func (a *Agent) receipt(ctx context.Context, jobs []*config.Job) Receipt {
	r := Receipt{Jobs: make([]JobReceipt, len(jobs))}
	for i, job := range jobs {
		r.Jobs[i] = a.jobReceipt(ctx, job.Name)
	}
	return r
}

func (a *Agent) jobReceipt(ctx context.Context, job string) JobReceipt {
	r := JobReceipt{Job: job, Failed: []FailureStatus{}}
	p := a.roster.view(job)
	if p == nil {
		r.Error = "the job was removed"
		return r
	}
	r.LastKey = p.lastKey
	if p.line == nil {
		r.Sequence, r.Error = a.roster.number(job, nil, 0), notRunning(p.fault)
		return r
	}
	r.Sequence = a.roster.number(job, p.line, p.line.lane.Sequence())
	st, err := p.line.lane.Status(ctx)
	if err != nil {
		r.Error = "the index cannot be read: " + err.Error()
		return r
	}
	r.Files, r.Bytes, r.Pending = st.Indexed, st.IndexedBytes, st.Pending
	for _, f := range st.Failures {
		r.Failed = append(r.Failed, failureStatus(f))
	}
	r.FailedFiles = st.Failed
	switch st.State {
	case plan.Paused:
		r.Paused, r.Held = st.Reason, int64(st.Hold.Held)
	case plan.Failing:
		r.Error = st.Reason
	}
	return r
}

// notRunning says why a job does not run.
func notRunning(fault error) string {
	if fault == nil {
		return "the job is being started"
	}
	return "the job does not run: " + fault.Error()
}
