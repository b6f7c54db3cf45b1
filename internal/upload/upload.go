package upload

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options tunes an Uploader. The zero value means the defaults.
type Options struct {
	Workers  int           // requests in flight at most; 0 means 64
	Memory   int64         // bytes of all buffers; 0 means 256 MiB
	PartSize int64         // bytes of a part, and of the largest file that is sent by one request; larger where a file needs over 10,000 parts; 0 means 8 MiB
	Settle   time.Duration // how old a change must be to be believed where writers cannot be seen; 0 means 2 s
	Logger   *slog.Logger  // nil means none

	// Grace returns how long running jobs may go on after the end of ctx. It is
	// asked when that has come; nil means 20 s.
	Grace func() time.Duration
}

// largeFiles is how many large files are sent at once. The others wait, so
// that each is in the bucket sooner and few uploads are unfinished after a
// crash.
const largeFiles = 8

// LargeAtOnce is how many large files a Source may hand out at once: those that
// are sent, and the next ones. More would keep workers from small files, and
// make the large ones of another job wait for theirs.
const LargeAtOnce = largeFiles + 2

// workersPerRequest is how many workers there are for each request that may be
// in flight: while one waits for the answer, another reads its file or waits
// for the index to be durable. How many requests there are is the gate's
// business, and how much memory they take the budget's.
const workersPerRequest = 2

// An Uploader does the jobs of a Source.
type Uploader struct {
	src     Source
	opt     Options
	memory  *budget
	gate    *gate
	lobby   chan struct{} // large files taken from the source
	large   chan struct{} // those being sent
	deletes deletes
}

// New returns an Uploader that does the jobs of src. It starts nothing: all is
// done inside Run.
func New(src Source, opt Options) *Uploader {
	if opt.Workers <= 0 {
		opt.Workers = 64
	}
	if opt.Memory <= 0 {
		opt.Memory = 256 << 20
	}
	if opt.PartSize <= 0 {
		opt.PartSize = defaultPart
	}
	opt.PartSize = fitting(opt.PartSize, opt.Memory)
	opt.Memory = max(opt.Memory, opt.PartSize)
	if opt.Settle <= 0 {
		opt.Settle = 2 * time.Second
	}
	if opt.Grace == nil {
		opt.Grace = func() time.Duration { return 20 * time.Second }
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Uploader{
		src:    &patientSource{Source: src, log: opt.Logger},
		opt:    opt,
		memory: newBudget(opt.Memory),
		gate:   newGate(opt.Workers),
		lobby:  make(chan struct{}, LargeAtOnce),
		large:  make(chan struct{}, largeFiles),
	}
}

// Run does jobs until the source ends or ctx is done, and returns nil when the
// last one has ended. After the end of ctx no job is taken; those that run may
// go on for Options.Grace and are cancelled then. How a job ended, its
// Source hears; Run itself fails only if the Source does, for a minute on end.
func (u *Uploader) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	g, ctx := errgroup.WithContext(ctx) // one worker that gives up stops all
	var wg sync.WaitGroup
	defer wg.Wait()
	idle := make(chan struct{})
	defer close(idle)
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-idle:
			return
		}
		select {
		case <-time.After(u.opt.Grace()):
			cancel()
		case <-idle:
		}
	})
	for range workersPerRequest * u.opt.Workers {
		g.Go(func() error { return u.work(ctx, work, g) })
	}
	return g.Wait()
}

// work takes jobs until ctx is done and does them under the context job. Large
// files go on in the background, so that they do not keep a worker from small
// ones.
func (u *Uploader) work(ctx, job context.Context, g *errgroup.Group) error {
	for ctx.Err() == nil {
		j, err := u.src.Next(ctx)
		if errors.Is(err, io.EOF) || err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if !u.isLarge(j) {
			u.src.Done(j, u.do(job, j))
			continue
		}
		select {
		case u.lobby <- struct{}{}:
		case <-ctx.Done():
			u.src.Done(j, Result{Err: ctx.Err(), Entry: j.Known, Action: j.Action})
			return nil
		}
		g.Go(func() error {
			defer func() { <-u.lobby }()
			u.src.Done(j, u.doLarge(ctx, job, j))
			return nil
		})
	}
	return nil
}

// isLarge reports whether a job takes long: a copy does not, for the service
// does it.
func (u *Uploader) isLarge(j *Job) bool {
	return (j.Action == Upload || j.Action == Touch) && j.Version.Size > u.opt.PartSize
}

// doLarge waits for a place among the large files. One that is still waiting
// when ctx ends is not begun.
func (u *Uploader) doLarge(ctx, job context.Context, j *Job) Result {
	select {
	case u.large <- struct{}{}:
		defer func() { <-u.large }()
	case <-ctx.Done():
		return Result{Err: ctx.Err(), Entry: j.Known, Action: j.Action}
	}
	return u.do(job, j)
}

// do does one job. Whatever happens, the result tells what the index holds.
func (u *Uploader) do(ctx context.Context, j *Job) Result {
	res := Result{Action: j.Action, Entry: j.Known}
	switch j.Action {
	case Skip:
	case Upload, Touch:
		u.upload(ctx, j, &res)
	case Copy:
		u.copy(ctx, j, &res)
	case Delete, Trash, Forget:
		u.remove(ctx, j, &res)
	}
	return res
}
