package plan

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// A new file is not kept waiting for looks at vanished ones for more than some
// seconds, and one that was not renamed not at all.
func TestRenameWaitIsBounded(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("new")
		v := w.write("moved")
		v.CTime++
		w.disk["moved"] = v
		l.removing++ // a look that does not end
		start := time.Now()
		l.Hint("moved", Moved)
		l.Hint("new", Moved)
		if job := next(t, q); job.Path != "new" || time.Since(start) != 0 {
			t.Errorf("%s after %v", job.Path, time.Since(start))
		}
		if job := next(t, q); job.Path != "moved" || time.Since(start) > renameWait {
			t.Errorf("%s after %v", job.Path, time.Since(start))
		}
		synctest.Wait()
	})
}

// A scan may come to the new name of a file long before the old one, and the
// workers are quick: the new name waits until the scan has seen all that vanished.
// Where nothing was known when the scan began, nothing can have been renamed.
func TestRenameFoundLate(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		known          bool
		want           string
	}{
		{"in one directory", "z", "a", true, "copy a"},
		{"of another directory", "z/f", "a/f", true, "copy a/f"},
		{"nothing known", "z", "a", false, "upload a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
				w.write("k")
				w.write(tt.from)
				if tt.known {
					w.sent("k", tt.from)
				}
				w.rename(tt.from, tt.to)
				dirs := []string{""}
				if dir, _ := split(tt.to); dir != "" {
					dirs = []string{dir, ""}
				}
				start := time.Now()
				var did []string
				do := func() {
					for job := try(t, q, time.Millisecond); job != nil; job = try(t, q, time.Millisecond) {
						did = append(did, actionNames[job.Action]+" "+job.Path)
						q.Done(job, w.do(job))
					}
				}
				// Where a worker looks at each path before the scan goes on.
				for _, dir := range dirs {
					li, err := w.list(t.Context(), dir)
					if err != nil {
						t.Fatal(err)
					}
					li.Scan = 1
					done := make(chan error)
					go func() { done <- l.Listed(t.Context(), li) }()
					do()
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
				do()
				if err := l.Scanned(t.Context(), Scan{Number: 1, Complete: true, Root: w.id}); err != nil {
					t.Fatal(err)
				}
				do()
				if took := time.Since(start); !slices.Contains(did, tt.want) || took > 100*time.Millisecond {
					t.Errorf("%q after %v, want %q", did, took, tt.want)
				}
			})
		})
	}
}

// While a file is looked at that may be a vanished one, the guards are not asked
// about that one, and if it came while they were, their word is not taken.
func TestRenameLookIsSlow(t *testing.T) {
	for _, late := range []bool{false, true} {
		sim(t, Options{}, func(o *LaneOptions) {
			mirror(o)
			list := o.List
			o.List = func(ctx context.Context, dir string) (Listing, error) { // for the guards
				time.Sleep(10 * time.Second)
				return list(ctx, dir)
			}
		}, func(t *testing.T, w *world, q *Queue, l *Lane) {
			w.write("k")
			w.write("a")
			w.sent("a", "k")
			w.rename("a", "b")
			l.Hint("a", Removed)
			none(t, q, gatherQuiet/2)
			w.slow = map[string]time.Duration{"b": 20 * time.Second}
			got := make(chan *upload.Job)
			for range 2 {
				go func() { got <- try(t, q, 25*time.Second) }()
			}
			if late {
				time.Sleep(gatherQuiet)
			}
			l.Hint("b", Moved)
			job := <-got
			if job == nil || job.Action != upload.Copy || job.Path != "b" {
				t.Fatalf("%+v, late %v", job, late)
			}
			if other := <-got; other != nil {
				t.Errorf("also %v %s, late %v", other.Action, other.Path, late)
			}
			q.Done(job, w.do(job))
			if job := next(t, q); job.Action != upload.Delete || job.Path != "a" {
				t.Errorf("%v %s", job.Action, job.Path)
			}
		})
	}
}

// A scan that takes long does not keep a new file for ever, nor more than some.
func TestRenameScanIsLong(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		w.sent("k")
		for i := range hopeMost + 10 {
			p := fmt.Sprintf("f%05d", i)
			v := w.write(p)
			v.CTime++
			w.disk[p] = v
		}
		li, err := w.list(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		li.Scan = 1
		start := time.Now()
		go func() {
			if err := l.Listed(t.Context(), li); err != nil {
				t.Error(err)
			}
		}()
		for i := range hopeMost + 10 {
			job := try(t, q, 2*scanWait)
			if job == nil {
				t.Fatalf("%d files, then none", i)
			}
			if took := time.Since(start); (took < scanWait) != (i < 10) {
				t.Fatalf("file %d after %v", i, took)
			}
			q.Done(job, w.do(job))
		}
		if l.hopes.count != 0 || l.hopes.patient != 0 || len(l.hopes.byID) != 0 {
			t.Errorf("%+v", l.hopes)
		}
	})
}
