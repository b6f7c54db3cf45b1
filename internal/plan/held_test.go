package plan

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// Nothing is deleted, nothing is forgotten, the lane says why, uploads go on, and
// after Approve all happens.
func TestDeletionsHeld(t *testing.T) {
	type env struct {
		w *world
		l *Lane
		s Scan
	}
	tests := []struct {
		name  string
		doubt Doubt
		upset func(e *env, paths []string)
	}{
		{"1,001 deletions", TooMany, func(e *env, paths []string) { e.w.wipe(paths[:1001]) }},
		{"emptied", RootEmpty, func(e *env, paths []string) { e.w.wipe(paths) }},
		{"another directory", RootOther, func(e *env, paths []string) {
			e.w.wipe(paths[:5])
			e.w.id.FileID[0]++
		}},
		{"another device", RootOther, func(e *env, paths []string) {
			e.w.wipe(paths[:5])
			e.w.id.Device++
		}},
		{"unmounted", RootEmpty, func(e *env, paths []string) { e.w.wipe(paths) }},
		{"read error in one subtree", DirUnread, func(e *env, paths []string) {
			e.w.wipe([]string{paths[0], paths[3], paths[6]})
			e.s.Complete, e.s.Unread = false, []string{"d2"}
		}},
		{"index rebuilt", Frozen, func(e *env, paths []string) {
			e.w.wipe(paths[:5])
			e.l.Freeze(true)
		}},
	}
	for _, tt := range tests {
		for _, mode := range []Deletes{Mirror, Trash, Keep} {
			if mode == Keep && tt.doubt == TooMany {
				continue // nothing in the bucket is at stake
			}
			t.Run(tt.name+"/"+string(mode), func(t *testing.T) {
				var held []Event
				opt := Options{Report: func(e Event) {
					if e.Err != nil {
						held = append(held, e)
					}
				}}
				sim(t, opt, func(o *LaneOptions) { o.Deletes = mode; o.TrashPrefix = ".trash/" }, func(t *testing.T, w *world, q *Queue, l *Lane) {
					paths := w.fill(1200)
					e := &env{w, l, Scan{Number: 1, Complete: true}}
					tt.upset(e, paths)
					want := len(paths) - len(w.disk)
					scanHeld(t, e.w, l, e.s)
					none(t, q, time.Hour)
					if len(w.index) != len(paths) {
						t.Fatalf("%d entries are gone", len(paths)-len(w.index))
					}
					s, err := l.Status(t.Context())
					if err != nil || s.Hold.Doubt != tt.doubt || s.Reason == "" {
						t.Errorf("status %+v, %v", s, err)
					}
					if mode != Keep && (s.State != Paused || s.Hold.Held != want || len(held) != 1) {
						t.Errorf("state %v, %d held of %d, events %v", s.State, s.Hold.Held, want, held)
					}
					if mode == Keep {
						return
					}
					w.write("new")
					l.Hint("new", Moved)
					job := next(t, q)
					q.Done(job, w.do(job))

					if tt.doubt == Frozen {
						if err := l.Approve(t.Context()); err == nil {
							t.Error("a frozen index was approved")
						}
						l.Freeze(false)
					} else if err := l.Approve(t.Context()); err != nil {
						t.Fatal(err)
					}
					n := 0
					for job := try(t, q, time.Hour); job != nil; job = try(t, q, time.Hour) {
						if job.Action != map[Deletes]upload.Action{Mirror: upload.Delete, Trash: upload.Trash}[mode] {
							t.Fatalf("%v %s", job.Action, job.Path)
						}
						if mode == Trash && job.TrashKey != ".trash/"+job.Path {
							t.Fatalf("trash key %q", job.TrashKey)
						}
						n++
						q.Done(job, w.do(job))
					}
					if n != want {
						t.Errorf("%d of %d deleted", n, want)
					}
					if s, _ := l.Status(t.Context()); s.State != Watching || s.Hold.Doubt != NoDoubt || s.Deleted != int64(want) {
						t.Errorf("afterwards %+v", s)
					}
					if err := l.Approve(t.Context()); !errors.Is(err, ErrNothingHeld) {
						t.Errorf("Approve of nothing: %v", err)
					}
				})
			})
		}
	}
}

// scanHeld scans without waiting for anybody to do anything.
func scanHeld(t *testing.T, w *world, l *Lane, s Scan) {
	t.Helper()
	for dirs := []string{""}; len(dirs) > 0; dirs = dirs[1:] {
		if slices.Contains(s.Unread, dirs[0]) {
			continue
		}
		li, err := w.list(t.Context(), dirs[0])
		if err != nil {
			t.Fatal(err)
		}
		li.Scan = s.Number
		if err := l.Listed(t.Context(), li); err != nil {
			t.Fatal(err)
		}
		for _, name := range li.Dirs {
			dirs = append(dirs, join(dirs[0], name))
		}
	}
	s.Root = w.id
	if err := l.Scanned(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// Events of an rm -rf, one by one: nothing is deleted before it is known that it
// was too much.
func TestDeletionsGather(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(1200)
		for _, p := range paths[:1001] {
			w.remove(p)
			l.Hint(p, Removed)
			none(t, q, time.Millisecond)
		}
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.Hold.Doubt != TooMany || s.Hold.Held != 1001 {
			t.Errorf("%+v", s.Hold)
		}
		// Some come back: what is left may go.
		for _, p := range paths[:100] {
			w.write(p)
			l.Hint(p, Moved)
			job := next(t, q)
			if job.Path != p || job.Action != upload.Upload {
				t.Fatalf("%v %s", job.Action, job.Path)
			}
			q.Done(job, w.do(job))
		}
		scanHeld(t, w, l, Scan{Number: 1, Complete: true})
		n := 0
		for job := try(t, q, time.Hour); job != nil; job = try(t, q, time.Hour) {
			n++
			q.Done(job, w.do(job))
		}
		if n != 901 || len(w.index) != 299 {
			t.Errorf("%d deleted, %d left", n, len(w.index))
		}
		// They count for an hour.
		w.wipe(paths[1001:1101])
		scanHeld(t, w, l, Scan{Number: 2, Complete: true})
		none(t, q, 30*time.Second)
		if s, _ := l.Status(t.Context()); s.Hold.Doubt != NoDoubt {
			time.Sleep(2 * time.Hour)
			scanHeld(t, w, l, Scan{Number: 3, Complete: true})
		}
		for range 100 {
			job := next(t, q)
			q.Done(job, w.do(job))
		}
	})
}
