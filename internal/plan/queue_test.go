package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/state"
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

// A hint that comes while a path is handed out makes it due again, and two
// workers never have it at once.
func TestQueueOneAtATime(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Closed)
		job := next(t, q)
		w.write("a")
		l.Hint("a", Closed)
		none(t, q, time.Hour)
		q.Done(job, upload.Result{Action: upload.Upload})
		job = next(t, q)
		q.Done(job, w.do(job))
		none(t, q, time.Hour)
	})
}

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

// Lanes share the workers by weight, and a lane that is busy with much does not
// keep another waiting.
func TestQueueFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(Options{})
		worlds := map[string]*world{}
		for i, weight := range []int{1, 1, 2} {
			w := newWorld()
			o := w.options()
			o.Target = &upload.Target{Name: fmt.Sprint(i)}
			o.Weight = weight
			l := q.Lane(o)
			worlds[o.Target.Name] = w
			for n := range 300 {
				if i == 1 && n >= 50 {
					break
				}
				w.write(fmt.Sprint(n))
				l.Hint(fmt.Sprint(n), Moved)
			}
		}
		count := map[string]int{}
		var flying []*upload.Job
		for range 400 {
			if len(flying) == 16 {
				q.Done(flying[0], worlds[flying[0].Target.Name].do(flying[0]))
				flying = flying[1:]
			}
			job := next(t, q)
			count[job.Target.Name]++
			flying = append(flying, job)
			if n := count["0"] + count["1"] + count["2"]; n == 160 {
				for name, want := range map[string]int{"0": 40, "1": 40, "2": 80} {
					if got := count[name]; got < want-8 || got > want+8 {
						t.Errorf("of 160 jobs lane %s got %d, want %d", name, got, want)
					}
				}
			}
		}
		if count["1"] != 50 {
			t.Errorf("the small lane got %d of 50", count["1"])
		}
	})
}

// The newest change is ahead of the backlog of a first scan; the backlog does not
// stand still for a stream of changes either.
func TestQueueBacklog(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		li := Listing{Digest: 1, Scan: 1}
		for i := range 1000 {
			name := fmt.Sprintf("old%04d", i)
			v := w.write(name)
			li.Files = append(li.Files, File{name, v.Size, v.MTime, v.CTime, v.FileID})
		}
		if err := l.Listed(t.Context(), li); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			job := next(t, q)
			q.Done(job, w.do(job))
		}
		w.write("new")
		l.Hint("new", Moved)
		if job := next(t, q); job.Path != "new" {
			t.Errorf("%s is ahead of the newest change", job.Path)
		}
		old := 0
		for i := range 90 {
			for range 2 {
				name := fmt.Sprintf("new%d-%d", i, rand.Int())
				w.write(name)
				l.Hint(name, Moved)
			}
			if job := next(t, q); job.Path[:3] == "old" {
				old++
			}
		}
		if old < 8 || old > 20 {
			t.Errorf("%d of 90 were of the backlog", old)
		}
	})
}

func TestQueueDrain(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b")
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					job, err := q.Next(t.Context())
					if err == io.EOF {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Second)
					q.Done(job, w.do(job))
				}
			})
		}
		synctest.Wait()
		q.Drain()
		wg.Wait() // a deadlock fails the test
		if !w.known("a") || !w.known("b") {
			t.Error("drained too early")
		}
		if err := q.WaitIdle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An error of the index ends Next, and the path is still due.
func TestQueueIndexError(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		broken := errors.New("disk full")
		w.indexErr = broken
		l.Hint("a", Moved)
		if _, err := q.Next(t.Context()); !errors.Is(err, broken) {
			t.Fatalf("Next: %v", err)
		}
		w.indexErr = nil
		if job := next(t, q); job.Path != "a" {
			t.Errorf("then %s", job.Path)
		}
	})
}

func TestQueueKeys(t *testing.T) {
	var events []Event
	opt := Options{Report: func(e Event) { events = append(events, e) }}
	sim(t, opt, func(o *LaneOptions) {
		o.Prefix = "logs/"
		o.Expand = func(rel string, mtime time.Time) string { return fmt.Sprintf("%d/", mtime.UnixNano()) }
	}, func(t *testing.T, w *world, q *Queue, l *Lane) {
		v := w.write("a")
		w.write("caf\xe9")
		l.Hint("a", Moved)
		l.Hint("caf\xe9", Moved)
		job := next(t, q)
		if want := fmt.Sprintf("%d/a", v.MTime); job.Key != want {
			t.Errorf("key %q, want %q", job.Key, want)
		}
		none(t, q, time.Hour)
		var ke *KeyError
		if len(events) != 1 || !errors.As(events[0].Err, &ke) || !events[0].Final {
			t.Errorf("events %+v", events)
		}
		s, err := l.Status(t.Context())
		if err != nil || len(s.Failures) != 1 || s.Failures[0].Path != "caf\xe9" || s.Failed != 1 {
			t.Errorf("status %+v, %v", s, err)
		}
		// The object of a file that got a new time goes under a new key.
		w.index["b"] = state.Entry{Version: w.write("b"), Key: "old/b"}
		l.Hint("b", Moved)
		if job := next(t, q); job.Path != "b" || job.Reason != "its key changed" {
			t.Errorf("%s: %s", job.Path, job.Reason)
		}
	})
}
