package plan

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// TestRival lets another agent write to the same place: while it does, nothing
// is deleted, and it is asked about only when something would be.
func TestRival(t *testing.T) {
	for _, way := range []string{"it goes", "approved", "next scan"} {
		t.Run(way, func(t *testing.T) {
			var asked atomic.Int32
			var why atomic.Value
			why.Store("another agent writes here")
			opt := func(o *LaneOptions) {
				mirror(o)
				o.Rival = func(context.Context) string {
					asked.Add(1)
					return why.Load().(string)
				}
			}
			sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
				w.write("a")
				w.write("b")
				w.sent("a", "b")
				if err := w.scan(t.Context(), l, 1); err != nil {
					t.Fatal(err)
				}
				none(t, q, time.Minute)
				if asked.Load() != 0 {
					t.Fatal("asked without anything to delete")
				}
				w.remove("a")
				l.Hint("a", Removed)
				none(t, q, time.Minute)
				st, err := l.Status(t.Context())
				if err != nil || st.State != Paused || st.Hold.Doubt != Shared || st.Hold.Held != 1 {
					t.Fatalf("status %+v, %v", st, err)
				}
				if n := asked.Load(); n != 1 {
					t.Errorf("asked %d times", n)
				}
				switch way {
				case "it goes":
					why.Store("")
					l.Reconsider()
				case "approved":
					if err := l.Approve(t.Context()); err != nil {
						t.Fatal(err)
					}
				case "next scan":
					why.Store("")
					if err := w.scan(t.Context(), l, 2); err != nil {
						t.Fatal(err)
					}
				}
				if got := drain(t, q, w.do); !slices.Equal(got, []string{"delete a"}) {
					t.Errorf("did %q", got)
				}
				if st, err := l.Status(t.Context()); err != nil || st.Hold.Doubt != NoDoubt {
					t.Errorf("status %+v, %v", st, err)
				}
			})
		})
	}
}

// TestRivalOfRename renames a file: the copy is made, and the object of the old
// path, which may be another agent's by now, stays.
func TestRivalOfRename(t *testing.T) {
	why := "another agent writes here"
	opt := func(o *LaneOptions) {
		mirror(o)
		o.Rival = func(context.Context) string { return why }
	}
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("k")
		w.sent("a", "k")
		mv(w, l, "a", "b")
		job := next(t, q)
		if job.Action != upload.Copy {
			t.Fatalf("%v %s", job.Action, job.Path)
		}
		q.Done(job, w.do(job))
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.Hold.Doubt != Shared || s.Hold.Held != 1 {
			t.Errorf("%+v", s.Hold)
		}
		why = ""
		l.Reconsider()
		if got := drain(t, q, w.do); !slices.Equal(got, []string{"delete a"}) {
			t.Errorf("did %q", got)
		}
	})
}
