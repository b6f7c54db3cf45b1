package plan

import (
	"testing"
	"time"
)

// A directory vanishes while a new file in it is being sent, which the index
// does not know yet. The file is recorded, and must be looked at again: nothing
// but the directory's end will be told.
func TestVanishedWhileUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name string
		tell func(t *testing.T, w *world, l *Lane)
	}{
		{"hint for the directory", func(_ *testing.T, _ *world, l *Lane) { l.Hint("d", Removed) }},
		{"hint for the one above", func(_ *testing.T, _ *world, l *Lane) { l.Hint("d/e", Removed) }},
		{"listing of the directory", func(t *testing.T, _ *world, l *Lane) {
			if err := l.Listed(t.Context(), Listing{Dir: "d/e", Digest: 1}); err != nil {
				t.Error(err)
			}
		}},
		{"listing of the source", func(t *testing.T, w *world, l *Lane) {
			li, err := w.list(t.Context(), "")
			if err == nil {
				err = l.Listed(t.Context(), li)
			}
			if err != nil {
				t.Error(err)
			}
		}},
		{"scan", func(t *testing.T, w *world, l *Lane) {
			if err := w.scan(t.Context(), l, 2); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
				w.write("keep")
				w.sent("keep")
				if err := w.scan(t.Context(), l, 1); err != nil {
					t.Fatal(err)
				}
				w.write("d/e/new")
				l.Hint("d/e/new", Closed)
				job := next(t, q)
				w.mu.Lock()
				v := w.disk["d/e/new"]
				w.mu.Unlock()
				w.remove("d/e/new")
				tt.tell(t, w, l)
				none(t, q, time.Second)
				w.mu.Lock()
				w.disk["d/e/new"] = v // so that the worker finds it
				w.mu.Unlock()
				res := w.do(job)
				w.remove("d/e/new")
				b := l.Sequence()
				q.Done(job, res)
				fell := make(chan error, 1)
				go func() { _, err := l.WaitFor(t.Context(), b); fell <- err }()
				if del := next(t, q); actionNames[del.Action]+" "+del.Path != "delete d/e/new" {
					t.Errorf("%v %s, want that the file is deleted", del.Action, del.Path)
				} else {
					select {
					case err := <-fell:
						t.Errorf("WaitFor returned before the deletion: %v", err)
					default:
					}
					q.Done(del, w.do(del))
				}
				if err := <-fell; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestListingHolds(t *testing.T) {
	li := Listing{Files: []File{{Name: "a"}, {Name: "c"}}, Dirs: []string{"b", "d"}}
	for rest, want := range map[string]bool{
		"a": true, "c": true, "b": false, "e": false, "b/x": true, "d/x/y": true, "a/x": false, "c/": false,
	} {
		if got := li.holds(rest); got != want {
			t.Errorf("holds(%q) = %t", rest, got)
		}
	}
}
