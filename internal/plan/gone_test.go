package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

func mirror(o *LaneOptions) { o.Deletes = Mirror }

func TestBrake(t *testing.T) {
	tests := []struct {
		limit                  Limit
		asked, recent, indexed int64
		stops                  bool
	}{
		{Limit{Count: 1000}, 1000, 0, 5000, false},
		{Limit{Count: 1000}, 1001, 0, 5000, true},
		{Limit{Count: 1000}, 1, 1000, 5000, true},
		{Limit{Count: 1000}, 500, 500, 5000, false},
		{Limit{Count: 1000}, 0, 2000, 5000, false},
		{Limit{Percent: 10}, 10, 0, 100, false},
		{Limit{Percent: 10}, 11, 0, 100, true},
		{Limit{Percent: 10}, 5, 5, 95, false},
		{Limit{Percent: 10}, 6, 5, 95, true},
		{Limit{Percent: 10}, 1, 0, 9, true},
		{Limit{Percent: 100}, 9, 0, 9, false},
		{Limit{}, 1, 0, 100, true},
		{Limit{}, 0, 0, 100, false},
		{Limit{Count: -1}, 1 << 40, 1 << 40, 1, false},
	}
	for _, tt := range tests {
		why := tt.limit.Brake(tt.asked, tt.recent, tt.indexed)
		if (why != "") != tt.stops {
			t.Errorf("%+v: asked %d, recent %d of %d: %q", tt.limit, tt.asked, tt.recent, tt.indexed, why)
		}
	}
}

func TestGuard(t *testing.T) {
	id := state.Identity{Device: 1, FileID: state.FileID{2}}
	ok := facts{known: id, seen: id, limit: Limit{Count: 10}, asked: 10, indexed: 100}
	tests := []struct {
		name   string
		change func(*facts)
		want   Doubt
	}{
		{"all well", func(*facts) {}, NoDoubt},
		{"first run", func(f *facts) { f.known = state.Identity{} }, NoDoubt},
		{"frozen", func(f *facts) { f.frozen = true }, Frozen},
		{"not readable", func(f *facts) { f.seenErr = errors.New("x") }, RootUnread},
		{"moved away", func(f *facts) { f.absent = upload.ErrRootChanged }, RootOther},
		{"another device", func(f *facts) { f.seen.Device++ }, RootOther},
		{"another directory", func(f *facts) { f.seen.FileID[0]++ }, RootOther},
		{"empty", func(f *facts) { f.empty = true }, RootEmpty},
		{"a directory not read", func(f *facts) { f.unread = 1 }, DirUnread},
		{"scan broken off", func(f *facts) { f.unfinished = true }, DirUnread},
		{"too many", func(f *facts) { f.asked++ }, TooMany},
		{"too many, but none deleted", func(f *facts) { f.asked++; f.unlimited = true }, NoDoubt},
		{"empty, none deleted", func(f *facts) { f.empty = true; f.unlimited = true }, RootEmpty},
	}
	for _, tt := range tests {
		f := ok
		tt.change(&f)
		if got, why := guard(f); got != tt.want || (got == NoDoubt) != (why == "") {
			t.Errorf("%s: %v %q, want %v", tt.name, got, why, tt.want)
		}
	}
}

func TestWindow(t *testing.T) {
	var w window
	w.add(0, 1)
	w.add(59*time.Minute, 2)
	w.add(59*time.Minute+30*time.Second, 4)
	steps := []struct {
		at   time.Duration
		want int64
	}{{60 * time.Minute, 7}, {61 * time.Minute, 6}, {119*time.Minute + 59*time.Second, 6}, {120 * time.Minute, 0}, {1e6 * time.Hour, 0}}
	for _, s := range steps {
		if got := w.sum(s.at); got != s.want {
			t.Errorf("after %v: %d, want %d", s.at, got, s.want)
		}
	}
}

// fill makes n files that are in the bucket.
func (w *world) fill(n int) (paths []string) {
	for i := range n {
		path := fmt.Sprintf("d%d/f%04d", i%3, i)
		w.write(path)
		paths = append(paths, path)
	}
	w.sent(paths...)
	return paths
}

func (w *world) wipe(paths []string) {
	for _, p := range paths {
		w.remove(p)
	}
}

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

// However long a scan takes, what it finds to have vanished waits for its end:
// only then is it known whether everything could be read.
func TestDeletionsWaitForScan(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		w.remove(paths[0])
		for _, dir := range []string{"", "d0", "d1"} {
			li, _ := w.list(t.Context(), dir)
			li.Scan = 1
			if err := l.Listed(t.Context(), li); err != nil {
				t.Fatal(err)
			}
			none(t, q, time.Hour)
		}
		if err := l.Scanned(t.Context(), Scan{Number: 1, Unread: []string{"d2"}, Root: w.id}); err != nil {
			t.Fatal(err)
		}
		none(t, q, time.Hour)
		scanHeld(t, w, l, Scan{Number: 2, Complete: true})
		if job := next(t, q); job.Action != upload.Delete || job.Path != paths[0] {
			t.Errorf("%v %s", job.Action, job.Path)
		}
	})
}

// In default mode vanished files are forgotten, after a moment and not before.
func TestDeletionsKeep(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(10)
		w.remove(paths[0])
		l.Hint(paths[0], Removed)
		start := time.Now()
		job := next(t, q)
		if got := time.Since(start); got != gatherQuiet || job.Action != upload.Forget || job.Path != paths[0] {
			t.Errorf("%v %s after %v", job.Action, job.Path, got)
		}
		q.Done(job, w.do(job))
		none(t, q, time.Hour)
	})
}

// A file that is back before its turn is not deleted; nor is one that comes back
// between the guards and the worker.
func TestDeletionsFileIsBack(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(10)
		v := w.disk[paths[0]]
		w.remove(paths[0])
		l.Hint(paths[0], Removed)
		none(t, q, time.Second)
		w.disk[paths[0]] = v // without a hint
		none(t, q, time.Hour)
		if !w.known(paths[0]) {
			t.Error("deleted")
		}
	})
}

// The root is looked at once more before each deletion.
func TestDeletionsRootLost(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(10)
		w.wipe(paths[:3])
		for _, p := range paths[:3] {
			l.Hint(p, Removed)
		}
		job := next(t, q)
		w.absent = upload.ErrRootChanged
		q.Done(job, upload.Result{Err: &upload.FileError{Op: "stat", Path: job.Path, Err: upload.ErrRootChanged}})
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.Hold.Doubt != RootOther || s.Hold.Held != 3 {
			t.Errorf("%+v", s)
		}
		if err := l.Approve(t.Context()); !errors.Is(err, upload.ErrRootChanged) {
			t.Errorf("Approve: %v", err)
		}
		w.absent = nil // mounted again
		scanHeld(t, w, l, Scan{Number: 1, Complete: true})
		for range 3 {
			if job := next(t, q); job.Action != upload.Delete {
				t.Errorf("%v", job.Action)
			}
		}
	})
}

// Where the bucket loses nothing, a directory made anew is believed in the end;
// an empty one never.
func TestDeletionsKeepAdopts(t *testing.T) {
	var set []state.Identity
	sim(t, Options{}, func(o *LaneOptions) {
		o.SetRoot = func(_ context.Context, id state.Identity) error { set = append(set, id); return nil }
	}, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(10)
		w.id.FileID[0]++
		w.wipe(paths)
		for n := range uint64(3) {
			scanHeld(t, w, l, Scan{Number: n + 1, Complete: true})
			none(t, q, time.Hour)
		}
		w.write("new")
		scanHeld(t, w, l, Scan{Number: 4, Complete: true})
		job := next(t, q)
		q.Done(job, w.do(job))
		none(t, q, time.Hour)
		if len(w.index) != 11 || len(set) != 0 {
			t.Fatalf("%d entries, roots %v", len(w.index), set)
		}
		scanHeld(t, w, l, Scan{Number: 5, Complete: true})
		for range 10 {
			if job := next(t, q); job.Action != upload.Forget {
				t.Errorf("%v %s", job.Action, job.Path)
			}
		}
		if diff := cmp.Diff([]state.Identity{w.id}, set); diff != "" {
			t.Error(diff)
		}
	})
}

// A source that the agent itself empties is empty without reason to worry, and
// its objects are never deleted.
func TestDeletionsAfterUpload(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) {
		o.Deletes = Mirror
		o.Target = &upload.Target{Name: "job", Object: upload.Properties{AfterUpload: "delete"}}
	}, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(2)
		w.wipe(paths)
		for _, p := range paths {
			l.Hint(p, Removed)
		}
		for range 2 {
			job := next(t, q)
			if job.Action != upload.Forget {
				t.Errorf("%v", job.Action)
			}
			q.Done(job, w.do(job))
		}
		if s, _ := l.Status(t.Context()); s.Hold.Doubt != NoDoubt {
			t.Errorf("%+v", s.Hold)
		}
	})
}

// A hint for a vanished directory reaches all that was below it.
func TestVanishedDirectory(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for _, p := range []string{"keep", "d/a", "d/b", "d/e/f/c", "d2/x"} {
			w.write(p)
			w.sent(p)
		}
		w.wipe([]string{"d/a", "d/b", "d/e/f/c"})
		l.Hint("d", Removed)
		var got []string
		for job := try(t, q, time.Minute); job != nil; job = try(t, q, time.Minute) {
			got = append(got, actionNames[job.Action]+" "+job.Path)
			q.Done(job, w.do(job))
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"delete d/a", "delete d/b", "delete d/e/f/c"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRename(t *testing.T) {
	tests := []struct {
		name   string
		change func(o *LaneOptions)
		before []string // sent
		do     func(w *world, l *Lane)
		want   []string // afterwards, in any order
	}{
		{"a file", nil, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b") }, []string{"copy b", "forget a"}},
		{"a file, mirrored", mirror, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b") }, []string{"copy b", "delete a"}},
		{"trash", func(o *LaneOptions) { o.Deletes = Trash }, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b") }, []string{"copy b", "trash a"}},
		{"not wanted", func(o *LaneOptions) { o.Renames = false }, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b") }, []string{"forget a", "upload b"}},
		{"hints in the wrong order", nil, []string{"a", "k"}, func(w *world, l *Lane) {
			w.rename("a", "b")
			l.Hint("b", Moved)
			l.Hint("a", Removed)
		}, []string{"copy b", "forget a"}},
		{"over another file", mirror, []string{"a", "b", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b") }, []string{"copy b", "delete a"}},
		{"a chain", mirror, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b"); mv(w, l, "b", "c") }, []string{"copy c", "delete a"}},
		{"there and back", mirror, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b"); mv(w, l, "b", "a") }, []string{"upload a"}},
		{"swapped", mirror, []string{"a", "b", "k"}, func(w *world, l *Lane) {
			mv(w, l, "a", "t")
			mv(w, l, "b", "a")
			mv(w, l, "t", "b")
		}, []string{"upload a", "upload b"}},
		{"then written", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			mv(w, l, "a", "b")
			w.write("b")
			l.Hint("b", Closed)
		}, []string{"delete a", "upload b"}},
		{"the old name used anew", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			mv(w, l, "a", "b")
			w.write("a")
			l.Hint("a", Closed)
		}, []string{"upload a", "upload b"}},
		{"id reused by another file", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			v := w.disk["a"]
			w.remove("a")
			l.Hint("a", Removed)
			w.write("b")
			b := w.disk["b"]
			b.FileID = v.FileID
			w.disk["b"] = b
			l.Hint("b", Closed)
		}, []string{"delete a", "upload b"}},
		{"id reused, size and coarse time set, large", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			e := w.index["a"]
			e.Size, e.MTime = 1<<20, 7e9
			w.index["a"] = e
			w.remove("a")
			l.Hint("a", Removed)
			w.disk["b"] = state.Version{Size: e.Size, MTime: e.MTime, CTime: e.CTime + 5, FileID: e.FileID}
			l.Hint("b", Closed)
		}, []string{"delete a", "upload b"}},
		{"older ctime than the entry", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			mv(w, l, "a", "b")
			b := w.disk["b"]
			b.CTime = w.index["a"].CTime - 1
			w.disk["b"] = b
		}, []string{"delete a", "upload b"}},
		{"cut off, with its time restored", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			mv(w, l, "a", "b")
			b := w.disk["b"]
			b.Size = 0
			w.disk["b"] = b
		}, []string{"delete a", "upload b"}},
		{"racy entry", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			e := w.index["a"]
			e.Racy = true
			w.index["a"] = e
			mv(w, l, "a", "b")
		}, []string{"delete a", "upload b"}},
		{"two hard links, both gone", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			w.disk["a2"] = w.disk["a"]
			w.sent("a2")
			v := w.disk["a"]
			w.wipe([]string{"a", "a2"})
			l.Hint("a", Removed)
			l.Hint("a2", Removed)
			v.CTime += 7
			w.disk["b"] = v
			l.Hint("b", Moved)
		}, []string{"copy b", "delete a", "delete a2"}},
		{"a second link, then the first removed", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			v := w.disk["a"]
			v.CTime += 7
			w.disk["b"] = v
			l.Hint("b", Moved)
			w.remove("a")
			l.Hint("a", Removed)
		}, []string{"copy b", "delete a"}},
		{"a second link", mirror, []string{"a", "k"}, func(w *world, l *Lane) {
			v := w.disk["a"]
			v.CTime += 7
			w.disk["b"], w.disk["a"] = v, v
			l.Hint("b", Moved)
		}, []string{"upload b"}},
		{"no file ids", mirror, []string{"k"}, func(w *world, l *Lane) {
			w.disk["a"] = state.Version{Size: 5, MTime: 11, CTime: 12}
			w.sent("a")
			mv(w, l, "a", "b")
		}, []string{"delete a", "upload b"}},
		{"to where it is left out", func(o *LaneOptions) {
			o.Filter, _ = ParseFilter([]string{"- *.tmp"})
			o.Deletes = Mirror
		}, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "a.tmp") }, []string{"delete a"}},
		{"found by a scan", mirror, []string{"y/a", "k"}, func(w *world, l *Lane) {
			w.rename("y/a", "x/a")
			if err := w.scan(context.Background(), l, 1); err != nil {
				panic(err)
			}
		}, []string{"copy x/a", "delete y/a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim(t, Options{}, tt.change, func(t *testing.T, w *world, q *Queue, l *Lane) {
				for _, p := range tt.before {
					w.write(p)
					w.sent(p)
				}
				tt.do(w, l)
				var got []string
				for job := try(t, q, time.Minute); job != nil; job = try(t, q, time.Minute) {
					got = append(got, actionNames[job.Action]+" "+job.Path)
					if job.Action == upload.Copy && (job.From == "" || job.FromKey != job.From || job.Known == nil || job.Known.Key != job.From || job.Known.ETag != "E") {
						t.Errorf("copy from %q (%q), known %+v", job.From, job.FromKey, job.Known)
					}
					q.Done(job, w.do(job))
				}
				slices.Sort(got)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if len(l.gone.byID) != 0 || l.gone.count != 0 || l.gone.claimed != 0 || l.removing != 0 || l.active() != 0 {
					t.Errorf("left over: %+v, removing %d, active %d", l.gone.byID, l.removing, l.active())
				}
			})
		})
	}
}

func mv(w *world, l *Lane, from, to string) {
	w.rename(from, to)
	l.Hint(from, Removed)
	l.Hint(to, Moved)
}

// A renamed directory of 5,000 files is 5,000 copies and no upload, under 64
// workers; the deletions of the old names are none that the brake counts.
func TestRenameDirectory(t *testing.T) {
	for _, known := range []bool{true, false} { // the directory's own hint, or one for each file
		sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
			var from []string
			w.write("keep")
			w.sent("keep")
			for i := range 5000 {
				p := fmt.Sprintf("old/d%d/f%d", i%7, i)
				from = append(from, p)
				w.write(p)
			}
			w.sent(from...)
			for _, p := range from {
				w.rename(p, "new"+p[3:])
				if !known {
					l.Hint(p, Removed)
				}
			}
			if known {
				l.Hint("old", Removed)
			}
			for i := range 7 {
				li, err := w.list(t.Context(), fmt.Sprintf("new/d%d", i))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range li.Files {
					l.Hint(join(li.Dir, f.Name), Moved)
				}
			}
			did := workers(t, q, w, 64, 10*time.Minute)
			count := map[string]int{}
			for _, d := range did {
				action, path, _ := strings.Cut(d, " ")
				dir, _, _ := strings.Cut(path, "/")
				count[action+" "+dir]++
			}
			if diff := cmp.Diff(map[string]int{"copy new": 5000, "delete old": 5000}, count); diff != "" {
				t.Error(diff)
			}
			if len(w.index) != 5001 {
				t.Errorf("%d entries", len(w.index))
			}
		})
	}
}

// workers runs n workers for d and returns what they did.
func workers(t *testing.T, q *Queue, w *world, n int, d time.Duration) []string {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	lists := make(chan []string)
	for range n {
		go func() {
			var did []string
			for {
				job, err := q.Next(ctx)
				if err != nil {
					lists <- did
					return
				}
				time.Sleep(20 * time.Millisecond)
				q.Done(job, w.do(job))
				did = append(did, actionNames[job.Action]+" "+job.Path)
			}
		}()
	}
	var did []string
	for range n {
		did = append(did, <-lists...)
	}
	return did
}

// A copy that the bucket refuses becomes an upload, and the old object is dealt
// with like that of any vanished file.
func TestRenameRefused(t *testing.T) {
	for _, class := range []upload.Class{upload.Conflict, upload.Missing, upload.ThisFile} {
		sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
			w.write("k")
			w.write("a")
			w.sent("a", "k")
			mv(w, l, "a", "b")
			q.Done(next(t, q), upload.Result{Action: upload.Copy, Err: &upload.RequestError{Op: "copy", Class: class}})
			start := time.Now()
			job := next(t, q)
			if job.Action != upload.Upload || job.Path != "b" || job.Known != nil || time.Since(start) > time.Second {
				t.Errorf("%v %s after %v", job.Action, job.Path, time.Since(start))
			}
			q.Done(job, w.do(job))
			if job := next(t, q); job.Action != upload.Delete || job.Path != "a" {
				t.Errorf("%v %s", job.Action, job.Path)
			}
		})
	}
}

// A copy that turned into an upload has not proven that the old file is this one:
// its object is deleted only as the guards allow.
func TestRenameDoubted(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) { o.Deletes = Mirror; o.MaxDeletes = Limit{} }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		w.write("a")
		w.sent("a", "k")
		mv(w, l, "a", "b")
		job := next(t, q)
		res := w.do(job)
		res.Action = upload.Upload
		q.Done(job, res)
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.Hold.Doubt != TooMany {
			t.Errorf("%+v", s.Hold)
		}
	})
}

// An old path that is back, though nobody said so, is not renamed.
func TestRenameSourceIsBack(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		w.write("a")
		w.sent("a", "k")
		v := w.disk["a"]
		w.remove("a")
		l.Hint("a", Removed)
		none(t, q, time.Millisecond)
		v.CTime += 5
		w.disk["a"], w.disk["b"] = v, v
		l.Hint("b", Moved)
		if job := next(t, q); job.Action != upload.Upload || job.Path != "b" {
			t.Errorf("%v %s", job.Action, job.Path)
		}
	})
}

// While an old path is being copied from, nothing else is done about it.
func TestRenameSourceInUse(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		w.write("a")
		w.sent("a", "k")
		mv(w, l, "a", "b")
		job := next(t, q)
		w.write("a")
		l.Hint("a", Closed)
		none(t, q, time.Hour)
		q.Done(job, w.do(job))
		job = next(t, q)
		if job.Path != "a" || job.Action != upload.Upload {
			t.Errorf("%v %s", job.Action, job.Path)
		}
		q.Done(job, w.do(job))
		none(t, q, time.Hour)
	})
}

// A new file is not kept waiting for looks at vanished ones for more than a
// second, and one that was not renamed not at all.
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
		if job := next(t, q); job.Path != "moved" || time.Since(start) > renameWait+renamePoll {
			t.Errorf("%s after %v", job.Path, time.Since(start))
		}
		synctest.Wait()
	})
}
