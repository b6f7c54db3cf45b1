package plan

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

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
