package plan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// The property, under 64 workers, hints of all kinds and failures of all kinds,
// with the race detector: one path one worker, and in the end the index equals
// the disk.
func TestQueueProperty(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testProperty(t, seed) })
	}
}

func testProperty(t *testing.T, seed uint64) {
	sim(t, Options{}, func(o *LaneOptions) { o.Deletes = Mirror; o.MaxDeletes = Limit{Count: -1} }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		var mu sync.Mutex
		held := map[string]bool{}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		w.write("always") // the source is never empty
		for n := range 64 {
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			wg.Go(func() {
				for {
					job, err := q.Next(ctx)
					if err != nil {
						return
					}
					mu.Lock()
					if held[job.Path] || job.From != "" && held[job.From] {
						t.Errorf("%s is handed out twice", job.Path)
					}
					held[job.Path] = true
					mu.Unlock()
					time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
					res := w.do(job)
					if rng.IntN(3) == 0 {
						res = upload.Result{Action: job.Action, Err: anyError(rng)}
					}
					mu.Lock()
					delete(held, job.Path)
					mu.Unlock()
					q.Done(job, res)
				}
			})
		}
		rng := rand.New(rand.NewPCG(seed, 99))
		for range 3000 {
			path := fmt.Sprintf("d%d/f%d", rng.IntN(3), rng.IntN(10))
			other := fmt.Sprintf("d%d/f%d", rng.IntN(3), rng.IntN(10))
			switch rng.IntN(6) {
			case 0:
				w.remove(path)
				l.Hint(path, Removed)
			case 1:
				if _, err := w.Stat(path); err == nil && path != other {
					w.rename(path, other)
					l.Hint(path, Removed)
					l.Hint(other, Moved)
				}
			default:
				w.write(path)
				l.Hint(path, []Cause{Closed, Changed}[rng.IntN(2)])
			}
			time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
		}
		seq := l.Sequence()
		if failures, err := l.WaitFor(ctxWithin(t, 0), seq); err == nil {
			t.Errorf("answered at once: %v", failures)
		}
		if err := w.scan(ctx, l, 1); err != nil {
			t.Error(err)
		}
		for range 3 { // what failed for good is found by a scan
			if err := q.WaitIdle(ctx); err != nil {
				t.Error(err)
			}
			l.Retry()
		}
		if err := q.WaitIdle(ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		cancel()
		wg.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		for path, v := range w.disk {
			if e, ok := w.index[path]; !ok || e.Version != v {
				t.Errorf("%s: disk %+v, index %+v %v", path, v, e, ok)
			}
		}
		for path := range w.index {
			if _, ok := w.disk[path]; !ok {
				t.Errorf("%s is only in the index", path)
			}
		}
	})
}

func ctxWithin(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func anyError(rng *rand.Rand) error {
	errs := []error{
		upload.ErrBusy, upload.ErrChanged, upload.ErrVanished, upload.ErrNotRegular, errors.New("odd"), context.Canceled,
		&upload.RequestError{Op: "put", Class: upload.Transient},
		&upload.RequestError{Op: "put", Class: upload.Conflict},
		&upload.RequestError{Op: "put", Class: upload.Missing},
		&upload.RequestError{Op: "put", Class: upload.Credential},
		&upload.FileError{Op: "read", Path: "x", Err: errors.New("input/output error")},
	}
	return errs[rng.IntN(len(errs))]
}
