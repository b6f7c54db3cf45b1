package upload

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A flakySource fails as long as broken says so, and otherwise has jobs that are
// done in no time.
type flakySource struct {
	broken func(call int) error

	mu    sync.Mutex
	calls int
	jobs  int
	busy  int
	most  int // jobs at once
}

func (f *flakySource) Next(ctx context.Context) (*Job, error) {
	f.mu.Lock()
	f.calls++
	err := f.broken(f.calls)
	if err == nil {
		f.busy++
		f.jobs++
		f.most = max(f.most, f.busy)
	}
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, 10*time.Millisecond); err != nil {
		return nil, err
	}
	return &Job{Action: Skip}, nil
}

func (f *flakySource) Done(*Job, Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
}

// Failures that pass, however many at once, cost no worker.
func TestRunSourceRecovers(t *testing.T) {
	const workers = 4 * workersPerRequest
	for _, broken := range []int{1, workers - 1, workers, 20 * workers} {
		synctest.Test(t, func(t *testing.T) {
			f := &flakySource{broken: func(call int) error {
				if call <= broken {
					return errors.New("disk I/O error, which passes")
				}
				return nil
			}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := New(f, Options{Workers: 4}).Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
			if f.most != workers {
				t.Errorf("after %d failures at most %d of %d workers had a job", broken, f.most, workers)
			}
		})
	}
}

// A source that fails for one path again and again has others to hand out.
func TestRunSourceFailsSometimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flakySource{broken: func(call int) error {
			if call%3 == 0 {
				return errors.New("this one is damaged")
			}
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := New(f, Options{Workers: 4}).Run(ctx); err != nil || f.jobs < 3600 {
			t.Errorf("Run = %v after %d jobs", err, f.jobs)
		}
	})
}

// A nextFunc is a source without memory.
type nextFunc func(ctx context.Context) (*Job, error)

func (next nextFunc) Next(ctx context.Context) (*Job, error) { return next(ctx) }
func (nextFunc) Done(*Job, Result)                           {}

// A failure now and then, with nothing to do between them, is no lasting one.
func TestRunSourceFailsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		err := New(nextFunc(func(ctx context.Context) (*Job, error) {
			if err := sleep(ctx, time.Hour); err != nil {
				return nil, err
			}
			return nil, errors.New("disk I/O error")
		}), Options{Workers: 1}).Run(ctx)
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// A source that does nothing but fail ends Run, all of it: not only the workers
// that met the failure.
func TestRunSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var calls atomic.Int64
		begun := time.Now()
		err := New(nextFunc(func(ctx context.Context) (*Job, error) {
			if calls.Add(1) <= 3 { // some wait for a job
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil, broken
		}), Options{Workers: 4}).Run(t.Context())
		if took := time.Since(begun); !errors.Is(err, broken) || took < sourceLong || took > sourceLong+2*sourceMost {
			t.Errorf("Run = %v after %v, want the source's error after a minute", err, took)
		}
	})
}
