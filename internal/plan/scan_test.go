package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A first scan sends everything that is taken; the second finds nothing to do,
// the third does not even read the index.
func TestScan(t *testing.T) {
	var digests []string
	sim(t, Options{}, func(o *LaneOptions) {
		o.Filter, _ = ParseFilter([]string{"- *.tmp", "- /out/"})
		o.Filter = o.Filter.WithSizes(0, 100)
		o.SetDigest = func(_ context.Context, dir string, sum uint64) error {
			if sum == 0 {
				t.Error("digest 0")
			}
			digests = append(digests, dir)
			return nil
		}
	}, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for _, p := range []string{"a", "b.tmp", "d/a", "d/b", "d/.osssync-x", "d/e/c", "out/x", "a-b/c", "a/../x"[5:]} {
			w.write(p)
		}
		v := w.write("large")
		v.Size = 101
		w.disk["large"] = v
		if s, _ := l.Status(t.Context()); s.State != Scanning {
			t.Errorf("state %v", s.State)
		}
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		var got []string
		for job := try(t, q, time.Hour); job != nil; job = try(t, q, time.Hour) {
			got = append(got, actionNames[job.Action]+" "+job.Path)
			q.Done(job, w.do(job))
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"upload a", "upload a-b/c", "upload d/a", "upload d/b", "upload d/e/c", "upload x"}, got); diff != "" {
			t.Error(diff)
		}
		if s, _ := l.Status(t.Context()); s.Unchanged != 0 || s.Uploaded != 6 {
			t.Errorf("status %+v", s)
		}
		if len(digests) != 1 || digests[0] != "out" {
			t.Errorf("digests of directories that were not in order: %q", digests)
		}
		digests = nil
		if err := w.scan(t.Context(), l, 2); err != nil {
			t.Fatal(err)
		}
		none(t, q, time.Hour)
		slices.Sort(digests)
		if diff := cmp.Diff([]string{"", "a-b", "d", "d/e"}, digests); diff != "" {
			t.Error(diff)
		}
		// Of a directory that its digest vouches for, all files are counted: out/x too.
		if s, _ := l.Status(t.Context()); s.State != Watching || s.Unchanged != 7 || s.Indexed != 6 {
			t.Errorf("status %+v", s)
		}
		w.reads = 0
		if err := w.scan(t.Context(), l, 3); err != nil {
			t.Fatal(err)
		}
		if w.reads != 0 {
			t.Errorf("an unchanged tree cost %d reads of the index", w.reads)
		}
		none(t, q, time.Hour)
	})
}

// A digest that another run left spares the first scan its reads, but not under
// other filter rules.
func TestScanDigestsOfEarlierRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.write("a")
		w.write("b.tmp")
		w.sent("a")
		kept := map[string]uint64{}
		run := func(rules ...string) *Queue {
			q := NewQueue(Options{})
			o := w.options()
			o.Filter, _ = ParseFilter(rules)
			o.SetDigest = func(_ context.Context, dir string, sum uint64) error { kept[dir] = sum; return nil }
			o.Digests = func(_ context.Context, fn func(string, uint64) error) error {
				for dir, sum := range kept {
					if err := fn(dir, sum); err != nil {
						return err
					}
				}
				return nil
			}
			w.reads = 0
			if err := w.scan(t.Context(), q.Lane(o), 1); err != nil {
				t.Fatal(err)
			}
			return q
		}
		run("- *.tmp")
		if w.reads == 0 || len(kept) != 1 {
			t.Fatalf("%d reads, kept %v", w.reads, kept)
		}
		run("- *.tmp")
		if w.reads != 0 {
			t.Errorf("%d reads", w.reads)
		}
		if job := next(t, run()); job.Path != "b.tmp" {
			t.Errorf("%s", job.Path)
		}
	})
}

// A hint makes its directory one that is compared again.
func TestScanHintDropsDigest(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("d/a")
		w.write("e/a")
		w.sent("d/a", "e/a")
		for n := range uint64(3) {
			w.reads = 0
			if err := w.scan(t.Context(), l, n+1); err != nil {
				t.Fatal(err)
			}
			if want := []bool{true, false, true}[n]; (w.reads > 0) != want {
				t.Errorf("scan %d: %d reads", n+1, w.reads)
			}
			if n == 1 {
				l.Hint("d/a", Moved)
				none(t, q, time.Hour)
			}
		}
	})
}

// A directory is made, its file is sent, and it vanishes while nobody looks. The
// listing of the directory above is what it was before, but the index is not.
func TestScanFindsWhatIsGoneAgain(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for _, p := range []string{"keep", "d/keep"} {
			w.write(p)
			w.sent(p)
		}
		for n := range uint64(2) {
			if err := w.scan(t.Context(), l, n+1); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range []string{"n/e/new", "d/e/new"} {
			w.write(p)
			l.Hint(p, Closed)
			job := next(t, q)
			q.Done(job, w.do(job))
			w.remove(p)
			if err := w.scan(t.Context(), l, uint64(i)+3); err != nil {
				t.Fatal(err)
			}
			if job = next(t, q); actionNames[job.Action]+" "+job.Path != "delete "+p {
				t.Errorf("%v %s, want that %s is deleted", job.Action, job.Path, p)
			}
			q.Done(job, w.do(job))
		}
	})
}

// What the watcher never said, a scan finds: changes of every kind, deletions,
// vanished directories, racy entries, entries that are now left out.
func TestScanFindsEverything(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) {
		o.Deletes = Mirror
		o.Filter, _ = ParseFilter([]string{"- /left/"})
	}, func(t *testing.T, w *world, q *Queue, l *Lane) {
		var all []string
		for _, p := range []string{"same", "grown", "touched", "gone", "racy", "d/same", "d/gone", "e/gone", "e/f/gone", "left/a", "z"} {
			w.write(p)
			all = append(all, p)
		}
		w.sent(all...)
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		for job := try(t, q, time.Hour); job != nil; job = try(t, q, time.Hour) {
			if job.Path != "left/a" || job.Action != upload.Forget {
				t.Errorf("%v %s", job.Action, job.Path)
			}
			q.Done(job, w.do(job))
		}
		w.write("grown")
		v := w.disk["touched"]
		v.CTime += 5
		w.disk["touched"] = v
		e := w.index["racy"]
		e.Racy = true
		w.index["racy"] = e
		w.write("new")
		w.write("d/n/new")
		w.wipe([]string{"gone", "d/gone", "e/gone", "e/f/gone"})
		if err := w.scan(t.Context(), l, 2); err != nil {
			t.Fatal(err)
		}
		got := drain(t, q, w.do)
		want := []string{"delete d/gone", "delete e/f/gone", "delete e/gone", "delete gone", "upload d/n/new", "upload grown", "upload new", "upload racy", "upload touched"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A directory that is there but cannot be looked into says nothing about the
// files in it.
func TestScanUnreadableDirectory(t *testing.T) {
	var events int
	sim(t, Options{Report: func(Event) { events++ }}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		for _, p := range paths {
			if p[:2] == "d2" {
				w.statErr[p] = errors.New("permission denied")
				w.remove(p) // not listed
			}
		}
		scanHeld(t, w, l, Scan{Number: 1, Unread: []string{"d2"}})
		none(t, q, time.Hour)
		if len(w.index) != 30 || events != 0 {
			t.Errorf("%d entries, %d events", len(w.index), events)
		}
	})
}

// The source is gone: nothing is known.
func TestScanRootUnreadable(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(5)
		w.wipe(paths)
		for _, p := range paths {
			l.Hint(p, Removed)
		}
		if err := l.Scanned(t.Context(), Scan{Number: 1, Err: errors.New("input/output error")}); err != nil {
			t.Fatal(err)
		}
		none(t, q, time.Hour)
		if s, _ := l.Status(t.Context()); s.State != Paused || len(w.index) != 5 {
			t.Errorf("%+v", s)
		}
	})
}

// Listed blocks while there is enough to do, and streams: it never puts in more
// than its bound, and the scan of 50,000 files ends.
func TestScanBackPressure(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		var listed, done atomic.Int64
		var scan sync.WaitGroup
		for n := range 4 {
			scan.Go(func() {
				for i := range 5 {
					li := Listing{Dir: fmt.Sprintf("%d/%d", n, i), Digest: 1, Scan: 1}
					for f := range 2500 {
						name := fmt.Sprintf("%06d", f)
						w.mu.Lock()
						v := state.Version{Size: 1, MTime: 5, CTime: 5, FileID: state.FileID{uint64(f)}}
						w.disk[join(li.Dir, name)] = v
						w.mu.Unlock()
						li.Files = append(li.Files, File{name, v.Size, v.MTime, v.CTime, v.FileID})
					}
					if err := l.Listed(t.Context(), li); err != nil {
						t.Error(err)
					}
					listed.Add(2500)
				}
			})
		}
		synctest.Wait()
		if listed.Load() > maxScan || l.scanned != maxScan {
			t.Errorf("%d files listed, %d put in, with nobody working", listed.Load(), l.scanned)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for range 16 {
			work.Go(func() {
				for {
					job, err := q.Next(ctx)
					if err != nil {
						return
					}
					done.Add(1)
					q.Done(job, upload.Result{Action: upload.Upload})
				}
			})
		}
		scan.Wait()
		if got := done.Load(); got < 50_000-maxScan-16 {
			t.Errorf("only %d done when the scan ended", got)
		}
		if err := q.WaitIdle(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
		work.Wait()
		if got := done.Load(); got != 50_000 || l.scanned != 0 || len(l.items) != 0 {
			t.Errorf("%d done, %d left", got, len(l.items))
		}
	})
}

// A scan that waits for room gives up when its context ends or the lane does.
func TestScanBlockedGivesUp(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for i := range maxScan + 10 {
			w.write(fmt.Sprintf("f%06d", i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.scan(ctx, l, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.AfterFunc(time.Minute, func() {
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if err := w.scan(t.Context(), l, 2); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

// A racy file is compared again when the clock has moved on. If it was set back
// to before the file's time, that is left to the next scan.
func TestRacyIsComparedAgain(t *testing.T) {
	for _, back := range []time.Duration{-time.Second, time.Hour} {
		sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
			w.write("a")
			l.Hint("a", Closed)
			job := next(t, q)
			v := w.disk["a"]
			v.CTime = time.Now().Add(back).UnixNano()
			w.disk["a"] = v
			e := state.Entry{Version: v, Racy: true}
			w.index["a"] = e
			q.Done(job, upload.Result{Action: upload.Upload, Entry: &e})
			start, want := time.Now(), racyWait
			if back > 0 {
				none(t, q, 2*time.Hour)
				want = 2 * time.Hour
				if err := w.scan(t.Context(), l, 1); err != nil {
					t.Fatal(err)
				}
			}
			job = next(t, q)
			if got := time.Since(start); got != want || job.Path != "a" {
				t.Errorf("%s after %v, want %v", job.Path, got, want)
			}
			e.Racy = false
			w.index["a"] = e
			q.Done(job, upload.Result{Action: upload.Touch, Entry: &e})
			none(t, q, 24*time.Hour)
		})
	}
}
