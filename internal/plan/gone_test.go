package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
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
		{"another agent", func(f *facts) { f.rival = "x" }, Shared},
		{"another agent, none deleted", func(f *facts) { f.rival = "x"; f.unlimited = true }, NoDoubt},
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
