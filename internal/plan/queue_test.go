package plan

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// sim runs fn in a bubble of fake time with a world, a queue and one lane.
func sim(t *testing.T, opt Options, change func(*LaneOptions), fn func(*testing.T, *world, *Queue, *Lane)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, q := newWorld(), NewQueue(opt)
		lo := w.options()
		if change != nil {
			change(&lo)
		}
		fn(t, w, q, q.Lane(lo))
	})
}

func TestQueueTiming(t *testing.T) {
	type hint struct {
		at time.Duration
		c  Cause
	}
	const ms = time.Millisecond
	tests := []struct {
		name  string
		hints []hint
		want  time.Duration
		live  bool
	}{
		{"closed", []hint{{0, Closed}}, 2 * ms, false},
		{"renamed into place", []hint{{0, Moved}}, 0, false},
		{"changed", []hint{{0, Changed}}, time.Second, false},
		{"changed twice", []hint{{0, Changed}, {600 * ms, Changed}}, 1600 * ms, false},
		{"changed, then closed", []hint{{0, Changed}, {300 * ms, Closed}}, 300 * ms, false},
		{"closed, then opened again", []hint{{0, Closed}, {1 * ms, Changed}}, 1001 * ms, false},
		{"written, then renamed", []hint{{0, Changed}, {5 * ms, Moved}}, 5 * ms, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
				w.write("a")
				start := time.Now()
				for _, h := range tt.hints {
					time.Sleep(h.at - time.Since(start))
					l.Hint("a", h.c)
				}
				job := next(t, q)
				if got := time.Since(start); got != tt.want || job.Live != tt.live {
					t.Errorf("due after %v (live %v), want %v (%v)", got, job.Live, tt.want, tt.live)
				}
				q.Done(job, w.do(job))
				none(t, q, time.Hour)
			})
		})
	}
}

// A waiting worker must see that something became due earlier than what it waits
// for, and a job must not wait for a worker that has a later one.
func TestQueueWakesForEarlier(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) { o.Settle = time.Minute; o.MaxWait = time.Hour }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("late")
		w.write("early")
		l.Hint("late", Changed)
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				job, err := q.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				want := map[string]time.Duration{"late": time.Minute, "early": 3*time.Second + closeSettle}[job.Path]
				if got := time.Since(start); got != want {
					t.Errorf("%s after %v, want %v", job.Path, got, want)
				}
				q.Done(job, w.do(job))
			})
		}
		time.Sleep(3 * time.Second)
		l.Hint("early", Closed)
		wg.Wait()
	})
}

// A log that never falls silent is sent about once in max_wait, as a snapshot;
// and soon after it is closed.
func TestQueueMaxWait(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 17_950 { // almost three minutes
				w.write("log")
				l.Hint("log", Changed)
				time.Sleep(10 * time.Millisecond)
			}
			l.Hint("log", Closed)
			close(stop)
		})
		start := time.Now()
		var at []time.Duration
		closed := func() bool {
			select {
			case <-stop:
				return true
			default:
				return false
			}
		}
		for !closed() || w.index["log"].Version != w.disk["log"] {
			job := try(t, q, time.Minute)
			switch {
			case job == nil:
			case closed():
				if job.Live {
					t.Error("closed, and still a snapshot")
				}
				q.Done(job, w.do(job))
			case job.Live:
				at = append(at, time.Since(start).Round(time.Second))
				q.Done(job, w.do(job))
			default:
				q.Done(job, upload.Result{Err: &upload.FileError{Op: "read", Path: "log", Err: upload.ErrBusy}})
			}
		}
		end := time.Since(start)
		wg.Wait()
		want := []time.Duration{time.Minute, 2 * time.Minute}
		if !slices.Equal(at, want) {
			t.Errorf("snapshots at %v", at)
		}
		if end > 3*time.Minute+time.Second {
			t.Errorf("last state only after %v", end)
		}
		none(t, q, time.Hour)
	})
}

// A file that is open but silent is looked at again and again, ever less often,
// and is sent as a snapshot after max_wait; without max_wait never.
func TestQueueBusy(t *testing.T) {
	busy := upload.Result{Err: &upload.FileError{Op: "read", Path: "a", Err: upload.ErrBusy}}
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Closed)
		start := time.Now()
		var gaps []time.Duration
		last := time.Duration(0)
		for {
			job := next(t, q)
			now := time.Since(start)
			if job.Live {
				if now != time.Minute {
					t.Errorf("snapshot after %v", now)
				}
				if job.Try != 0 {
					t.Errorf("being written counts as %d failures", job.Try)
				}
				q.Done(job, w.do(job))
				break
			}
			gaps = append(gaps, now-last)
			last = now
			q.Done(job, busy)
		}
		if gaps[0] != 2*time.Millisecond || gaps[1] != 5*time.Millisecond || gaps[2] != 7500*time.Microsecond {
			t.Errorf("looked at after %v", gaps[:3])
		}
		if n := len(gaps); n < 40 || n > 90 || slices.Max(gaps) > 2*time.Second {
			t.Errorf("%d looks, the longest pause %v", n, slices.Max(gaps))
		}
	})
	sim(t, Options{}, func(o *LaneOptions) { o.MaxWait = 0 }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Closed)
		for start := time.Now(); time.Since(start) < time.Hour; {
			job := next(t, q)
			if job.Live {
				t.Fatal("snapshot without max_wait")
			}
			q.Done(job, busy)
		}
		l.Hint("a", Closed)
		start := time.Now()
		job := next(t, q)
		if got := time.Since(start); got > closeSettle {
			t.Errorf("closing it did not end the wait: %v", got)
		}
		q.Done(job, w.do(job))
	})
}

// A snapshot that could not be proven is not tried again at once, however often
// the file is hinted; after closing, it is.
func TestQueueUnprovenSnapshot(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				l.Hint("a", Changed)
				time.Sleep(10 * time.Millisecond)
			}
		})
		n := 0
		for start := time.Now(); time.Since(start) < 10*time.Minute; {
			job := next(t, q)
			n++
			q.Done(job, upload.Result{Err: upload.ErrChanged})
		}
		cancel()
		wg.Wait()
		if n < 10 || n > 40 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		start := time.Now()
		l.Hint("a", Closed)
		job := next(t, q)
		if got := time.Since(start); got > closeSettle {
			t.Errorf("after closing: %v", got)
		}
		q.Done(job, w.do(job))
	})
}

// TestQueueDamagedIndex: what an index does not know that has met a row which it
// cannot tell may be in the bucket, so the worker is to ask.
func TestQueueDamagedIndex(t *testing.T) {
	damaged := false
	tune := func(o *LaneOptions) { o.Damaged = func() bool { return damaged } }
	sim(t, Options{}, tune, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for _, path := range []string{"before", "after"} {
			w.write(path)
			l.Hint(path, Closed)
			job := next(t, q)
			if asks := job.Known != nil && job.Known.Assumed && job.Known.Size == job.Version.Size; asks != damaged {
				t.Errorf("%s: known %+v with a damaged index: %v", path, job.Known, damaged)
			}
			q.Done(job, w.do(job))
			damaged = true
		}
	})
}

// A file that is closed again and again is sent at growing intervals, the first
// time at once, and its last state arrives.
func TestQueueCooldown(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				w.write("a")
				l.Hint("a", Closed)
				time.Sleep(10 * time.Millisecond)
			}
		})
		var at []time.Duration
		start := time.Now()
		for time.Since(start) < time.Minute {
			job := next(t, q)
			at = append(at, time.Since(start))
			q.Done(job, w.do(job))
		}
		cancel()
		wg.Wait()
		if len(at) < 6 || len(at) > 10 {
			t.Errorf("%d uploads in a minute: %v", len(at), at)
		}
		if at[0] > closeMost || at[1]-at[0] < 200*time.Millisecond || at[4]-at[3] < 1500*time.Millisecond {
			t.Errorf("uploads at %v", at)
		}
		if job := try(t, q, 3*time.Minute); job != nil {
			q.Done(job, w.do(job))
		}
		if w.index["a"].Version != w.disk["a"] {
			t.Error("the last state was not sent")
		}
		// Forgotten after a while: at once again.
		time.Sleep(5 * time.Minute)
		w.write("a")
		start = time.Now()
		l.Hint("a", Closed)
		next(t, q)
		if got := time.Since(start); got != closeSettle {
			t.Errorf("after a quiet time: %v", got)
		}
	})
}

// The pause between snapshots grows with the file's size, but not for one that is
// closed.
func TestQueueSnapshotPause(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("big")
		v := w.disk["big"]
		v.Size = 1 << 30
		w.disk["big"] = v
		l.Hint("big", Changed)
		take := func() (time.Time, *upload.Job) {
			for {
				job := next(t, q)
				if job.Live {
					return time.Now(), job
				}
				q.Done(job, upload.Result{Err: upload.ErrBusy})
			}
		}
		first, job := take()
		q.Done(job, w.do(job))
		w.write("big")
		l.Hint("big", Changed)
		second, job := take()
		if got := second.Sub(first); got != 256*time.Second {
			t.Errorf("second snapshot of 1 GiB after %v", got)
		}
		q.Done(job, w.do(job))
		time.Sleep(time.Second)
		w.write("big")
		l.Hint("big", Changed)
		l.Hint("big", Closed)
		start := time.Now()
		next(t, q)
		if got := time.Since(start); got > time.Second {
			t.Errorf("after closing: %v", got)
		}
	})
}
