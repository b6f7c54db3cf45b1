package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

func TestPauseResumeClose(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b")
		l.Hint("a", Moved)
		job := next(t, q)
		l.Pause()
		l.Hint("b", Moved)
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.State != Paused || s.InFlight != 1 || s.Pending != 2 || s.OldestPending != time.Hour {
			t.Errorf("%+v", s)
		}
		l.Resume()
		b := next(t, q)
		if b.Path != "b" {
			t.Errorf("%s", b.Path)
		}
		closed := make(chan error)
		go func() { closed <- l.Close(t.Context()) }()
		synctest.Wait()
		q.Done(job, w.do(job))
		q.Done(b, w.do(b))
		if err := <-closed; err != nil {
			t.Error(err)
		}
		l.Hint("a", Moved)
		none(t, q, time.Hour)
		if _, err := l.WaitFor(t.Context(), 1); !errors.Is(err, ErrClosed) {
			t.Errorf("WaitFor: %v", err)
		}
		if len(q.lanes) != 0 {
			t.Error("the lane is still there")
		}
	})
}

// An instance that is about to go: oldest first, no waiting, open files too.
func TestHurry(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) { o.Settle = time.Hour; o.MaxWait = 24 * time.Hour }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for i := range 5 {
			p := fmt.Sprint(9 - i)
			w.write(p)
			l.Hint(p, Changed)
			time.Sleep(time.Minute)
		}
		l.Hurry()
		start := time.Now()
		for i := range 5 {
			job := next(t, q)
			if job.Path != fmt.Sprint(9-i) || !job.Live {
				t.Errorf("%d: %s, live %v", i, job.Path, job.Live)
			}
			q.Done(job, w.do(job))
			if i == 0 {
				w.write(job.Path)
				l.Hint(job.Path, Changed)
			}
		}
		next(t, q)
		if got := time.Since(start); got != 0 {
			t.Errorf("took %v", got)
		}
	})
}

// A dry run goes through the same decisions and writes nothing.
func TestDryRun(t *testing.T) {
	var bytes int64
	opt := Options{DryRun: true, Report: func(e Event) { bytes += e.Bytes }}
	sim(t, opt, func(o *LaneOptions) {
		o.Deletes = Mirror
		o.Root = state.Identity{}
		o.SetRoot = func(context.Context, state.Identity) error { t.Error("SetRoot"); return nil }
		o.SetDigest = func(context.Context, string, uint64) error { t.Error("SetDigest"); return nil }
	}, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(4)
		w.remove(paths[0])
		w.rename(paths[1], "moved")
		w.write(paths[2])
		w.write("new")
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		before := len(w.index)
		got := drain(t, q, func(job *upload.Job) upload.Result { return upload.Result{Action: job.Action} })
		want := []string{"copy moved", "delete " + paths[0], "delete " + paths[1], "upload " + paths[2], "upload new"}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if len(w.index) != before || bytes != 2+1+1 {
			t.Errorf("index %d, bytes %d", len(w.index), bytes)
		}
	})
}

func TestStory(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) { o.Filter, _ = ParseFilter([]string{"- *.tmp"}) }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b.tmp")
		l.Hint("a", Changed)
		l.Hint("b.tmp", Changed)
		time.Sleep(200 * time.Millisecond)
		if s := l.Story("a"); !s.Pending || s.Doing != "waiting" || s.Since != 200*time.Millisecond || s.Next != 800*time.Millisecond || !s.Taken {
			t.Errorf("%+v", s)
		}
		if s := l.Story("b.tmp"); s.Pending || s.Taken || s.Rule != "- *.tmp" {
			t.Errorf("%+v", s)
		}
		job := next(t, q)
		if s := l.Story("a"); s.Doing != "in flight" {
			t.Errorf("%+v", s)
		}
		q.Done(job, upload.Result{Err: &upload.RequestError{Class: upload.ThisFile}})
		if s := l.Story("a"); s.Pending || s.Failure == nil || s.Failure.Tries != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A file that failed and is gone is no failure any more after the next scan, even
// if nobody said that it went.
func TestFailureOfVanishedFile(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b")
		for range 2 {
			l.Hint("a", Moved)
			q.Done(next(t, q), upload.Result{Err: &upload.RequestError{Class: upload.ThisFile}})
		}
		w.remove("a")
		w.sent("b")
		time.Sleep(time.Second)
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.Failed != 0 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A pass that is to end names each deletion that is held, also those that there
// is no room to remember. An agent that goes on does not.
func TestHeldByName(t *testing.T) {
	const more = 3
	for _, tt := range []struct {
		name string
		opt  Options
		want int
	}{
		{"a dry run", Options{DryRun: true}, maxParked + more},
		{"a pass", Options{MaxTries: 1}, maxParked + more},
		{"an agent", Options{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told, holds := map[string]int{}, 0
			tt.opt.Report = func(e Event) {
				hold, ok := errors.AsType[*HoldError](e.Err)
				switch {
				case !ok:
				case e.Path == "":
					holds++
				case e.Action != upload.Trash || e.Key != "p/"+e.Path || e.Reason != hold.Reason || hold.Doubt != TooMany:
					t.Fatalf("%+v", e)
				default:
					told[e.Path]++
				}
			}
			sim(t, tt.opt, func(o *LaneOptions) {
				o.Prefix, o.Deletes, o.MaxDeletes = "p/", Trash, Limit{}
			}, func(t *testing.T, w *world, q *Queue, l *Lane) {
				paths := w.fill(maxParked + more + 1)
				w.wipe(paths[1:])
				var scan sync.WaitGroup
				scan.Go(func() {
					if err := w.scan(t.Context(), l, 1); err != nil {
						t.Error(err)
					}
					q.Drain()
				})
				none(t, q, time.Hour)
				scan.Wait()
			})
			if len(told) != tt.want || told[""] > 0 || holds != 1 {
				t.Errorf("%d deletions and %d jobs told of, want %d and 1", len(told), holds, tt.want)
			}
			for path, n := range told {
				if n != 1 {
					t.Errorf("%s told of %d times", path, n)
				}
			}
		})
	}
}
