package agent

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/internal/watch"
)

// syncTries is how often one pass tries a file before it counts as failed:
// some ten seconds with the queue's waits.
const syncTries = 7

// Sync makes one pass: it scans every job once, does what that finds to be
// done, and returns when the last of it has ended. A job that cannot be started
// is a *JobError, and the others go on; of files that failed Options.Report
// hears, they are no error of Sync.
func (a *Agent) Sync(ctx context.Context) error {
	ix, err := a.openIndex(ctx)
	if err != nil {
		return err
	}
	p := a.newPipeline(ix, plan.Options{Report: a.opt.Report, MaxTries: syncTries})
	return errors.Join(a.pass(ctx, p, p.uploader.Run), ix.Close())
}

// Plan is Sync without the doing: Options.Report hears of everything that
// would be done; nothing is sent or written, and the index may be in use.
func (a *Agent) Plan(ctx context.Context) error {
	ix, err := a.readIndex(ctx)
	if err != nil {
		return err
	}
	p := a.newPipeline(ix, plan.Options{Report: a.opt.Report, DryRun: true})
	pretend := func(ctx context.Context) error { return pretend(ctx, p.queue) }
	return errors.Join(a.pass(ctx, p, pretend), ix.Close())
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
func (a *Agent) pass(ctx context.Context, p *pipeline, work func(context.Context) error) error {
	lines, errs := a.openAll(ctx, p)
	g, gctx := errgroup.WithContext(ctx)
	worked, end := context.WithCancel(gctx)
	g.Go(func() error { return a.throttle(worked) })
	g.Go(func() error {
		defer end()
		return work(gctx)
	})
	g.Go(func() error {
		err := scanAll(gctx, lines)
		p.queue.Drain()
		return err
	})
	errs = append(errs, g.Wait())
	for _, l := range lines {
		errs = append(errs, l.close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// scanAll scans all jobs at once, so that one whose bucket does not answer
// holds up no other. It fails for what concerns them all; a job whose source
// cannot be read is reported by its lane.
func scanAll(ctx context.Context, lines []*line) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range lines {
		g.Go(func() error {
			return watch.ScanOnce(ctx, l.job.Source, l.sink, l.options)
		})
	}
	return g.Wait()
}
