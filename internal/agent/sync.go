package agent

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/internal/watch"
)

// syncTries is how often one pass tries a file before it counts as failed:
// some ten seconds with the queue's waits.
const syncTries = 7

// Sync makes one pass: it scans every job once, does what that finds to be
// done, and returns when the last of it has ended, with how many files were
// found unchanged. A job that cannot be started or goes on no more is a
// *JobError, and the others go on; of single files Options.Report hears, those
// that failed are no error of Sync.
func (a *Agent) Sync(ctx context.Context) (unchanged int64, err error) {
	ix, err := a.openIndex(ctx)
	if err != nil {
		return 0, err
	}
	p := a.newPipeline(ix, plan.Options{Report: a.opt.Report, MaxTries: syncTries})
	unchanged, err = a.pass(ctx, p, p.uploader.Run)
	return unchanged, errors.Join(err, ix.Close())
}

// Plan is Sync without the doing: Options.Report hears of everything that
// would be done; nothing is sent or written, and the index may be in use.
func (a *Agent) Plan(ctx context.Context) (unchanged int64, err error) {
	ix, err := a.readIndex(ctx)
	if err != nil {
		return 0, err
	}
	p := a.newPipeline(ix, plan.Options{Report: a.opt.Report, DryRun: true})
	pretend := func(ctx context.Context) error { return pretend(ctx, p.queue) }
	unchanged, err = a.pass(ctx, p, pretend)
	return unchanged, errors.Join(err, ix.Close())
}

// pretend takes every job and says that it is done.
func pretend(ctx context.Context, q *plan.Queue) error {
	for {
		job, err := q.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		q.Done(job, upload.Result{Action: job.Action, Bytes: job.Version.Size})
	}
}

// pass opens all jobs, scans them while work does what is found, and waits for
// both.
func (a *Agent) pass(ctx context.Context, p *pipeline, work func(context.Context) error) (unchanged int64, err error) {
	lines, errs := a.openAll(ctx, p)
	g, gctx := errgroup.WithContext(ctx)
	worked, end := context.WithCancel(gctx)
	g.Go(func() error { return a.throttle(worked) })
	g.Go(func() error { return p.giveUp(worked) })
	g.Go(func() error { a.tidyAll(gctx, p, lines); return nil })
	g.Go(func() error {
		defer end()
		return work(gctx)
	})
	g.Go(func() error {
		defer p.queue.Drain()
		return a.scanAll(gctx, lines)
	})
	errs = append(errs, g.Wait())
	for _, l := range lines {
		a.roster.remove(l)
		st, err := l.lane.Status(context.WithoutCancel(ctx))
		errs = append(errs, err, l.close(context.WithoutCancel(ctx)))
		unchanged += st.Unchanged
	}
	return unchanged, errors.Join(errs...)
}

// scanAll scans all jobs at once, so that one whose bucket does not answer
// holds up no other. What ends one of them early ends no other either.
func (a *Agent) scanAll(ctx context.Context, lines []*line) error {
	var mu sync.Mutex
	var errs []error
	var g errgroup.Group
	for _, l := range lines {
		g.Go(func() error {
			err := a.prove(ctx, l)
			if err == nil {
				err = watch.ScanOnce(ctx, l.job.Source, l.sink, l.options)
			}
			if err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, &JobError{l.job.Name, err})
			}
			return nil
		})
	}
	_ = g.Wait() // its functions never fail
	return errors.Join(append(errs, ctx.Err())...)
}
