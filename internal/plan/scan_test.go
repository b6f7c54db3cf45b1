package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// A directory that was remembered in place of its paths, and is gone when it is
// listed, is looked at through the index.
func TestOverflowOfVanishedDirectory(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		for _, p := range []string{"d/a", "d/e/b"} {
			w.write(p)
			w.sent(p)
			w.remove(p)
		}
		q.mu.Lock()
		if l.remember("d", 1) {
			t.Error("a scan is asked for")
		}
		q.mu.Unlock()
		var got []string
		for job := try(t, q, time.Minute); job != nil; job = try(t, q, time.Minute) {
			got = append(got, job.Path)
			q.Done(job, w.do(job))
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"d/a", "d/e/b"}, got); diff != "" {
			t.Error(diff)
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

// Of more paths than can be remembered only the directories are, and nothing is
// lost.
func TestOverflow(t *testing.T) {
	for _, list := range []bool{true, false} {
		t.Run(fmt.Sprint(list), func(t *testing.T) { testOverflow(t, list) })
	}
}

// A crowd is a world with many files, in which a directory is found fast.
type crowd struct {
	*world
	names map[string][]string // by directory, sorted
}

func newCrowd(w *world, files int) *crowd {
	c := &crowd{w, map[string][]string{}}
	for i := range files {
		dir, name := fmt.Sprintf("d%02d", i%40), fmt.Sprintf("f%06d", i)
		c.names[dir] = append(c.names[dir], name)
		w.disk[join(dir, name)] = state.Version{Size: 1, MTime: int64(i), CTime: int64(i), FileID: state.FileID{uint64(i) + 1}}
	}
	return c
}

func (c *crowd) list(_ context.Context, dir string) (Listing, error) {
	li := Listing{Dir: dir, Digest: 1}
	for _, name := range c.names[dir] {
		v := c.disk[join(dir, name)]
		li.Files = append(li.Files, File{name, v.Size, v.MTime, v.CTime, v.FileID})
	}
	if dir == "" {
		li.Dirs = slices.Sorted(maps.Keys(c.names))
	}
	return li, nil
}

func (c *crowd) Files(_ context.Context, dir, after string, limit int) ([]state.Named, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []state.Named
	for _, name := range c.names[dir] {
		if e, ok := c.index[join(dir, name)]; ok && name > after && len(list) < limit {
			list = append(list, state.Named{Name: name, Entry: e})
		}
	}
	return list, nil
}

func (c *crowd) Dirs(context.Context, string) ([]string, error) { return nil, nil }

func testOverflow(t *testing.T, list bool) {
	const files = maxActive + 5_000
	var rescans atomic.Int64
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, _ *Lane) {
		c := newCrowd(w, files)
		o := w.options()
		o.Index, o.List = c, nil
		if list {
			o.List = c.list
		}
		o.Rescan = func() { rescans.Add(1) }
		l := q.Lane(o)
		for dir, names := range c.names {
			for _, name := range names {
				l.Hint(join(dir, name), Moved)
			}
		}
		seq := l.Sequence()
		if s, _ := l.Status(t.Context()); len(l.items) > maxActive || s.Pending > maxActive {
			t.Errorf("%d paths remembered", len(l.items))
		}
		if list == (rescans.Load() != 0) {
			t.Errorf("%d scans asked for", rescans.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					job, err := q.Next(ctx)
					if err != nil {
						return
					}
					q.Done(job, w.do(job))
				}
			})
		}
		if !list {
			for _, dir := range append([]string{""}, slices.Sorted(maps.Keys(c.names))...) {
				li, _ := c.list(ctx, dir)
				li.Scan = 1
				if err := l.Listed(ctx, li); err != nil {
					t.Error(err)
				}
			}
		}
		if err := l.Scanned(ctx, Scan{Number: 1, Complete: true, Root: w.id}); err != nil {
			t.Error(err)
		}
		if failures, err := l.WaitFor(t.Context(), seq); err != nil || len(failures) != 0 {
			t.Errorf("WaitFor: %v, %v", failures, err)
		}
		if n := len(w.index); n != files {
			t.Errorf("%d of %d sent when the barrier fell", n, files)
		}
		cancel()
		wg.Wait()
	})
}

func TestWaitFor(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		ctx := t.Context()
		if err := w.scan(ctx, l, 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if f, err := l.WaitFor(ctx, l.Sequence()); err != nil || len(f) != 0 || time.Since(start) != 0 {
			t.Errorf("nothing to wait for: %v, %v after %v", f, err, time.Since(start))
		}
		w.write("a")
		w.write("bad")
		w.write("later")
		l.Hint("a", Moved)
		l.Hint("bad", Moved)
		seq := l.Sequence()
		l.Hint("later", Changed)
		one, two := next(t, q), next(t, q)
		if one.Path != "a" {
			one, two = two, one
		}
		l.Hint("a", Moved) // after the barrier
		var failures []Failure
		var err error
		answered := false
		var wg sync.WaitGroup
		wg.Go(func() { failures, err = l.WaitFor(ctx, seq); answered = true })
		synctest.Wait()
		q.Done(two, upload.Result{Err: &upload.RequestError{Op: "put", Class: upload.ThisFile, Code: "KmsDisabled"}})
		synctest.Wait()
		if answered {
			t.Error("answered while a file is in flight")
		}
		q.Done(one, w.do(one))
		wg.Wait()
		if err != nil || len(failures) != 1 || failures[0].Path != "bad" || failures[0].Err == nil {
			t.Errorf("%+v, %v", failures, err)
		}
		// The hints after it are another's.
		limit, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err := l.WaitFor(limit, l.Sequence()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody works: %v", err)
		}
	})
}

// A failed attempt does not answer a hint, even if the file changed meanwhile.
func TestWaitForRetries(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		l.scan.once = true
		w.write("a")
		l.Hint("a", Moved)
		seq := l.Sequence()
		job := next(t, q)
		l.Hint("a", Moved)
		q.Done(job, upload.Result{Err: upload.ErrChanged})
		job = next(t, q)
		q.Done(job, upload.Result{Err: &upload.RequestError{Class: upload.Transient}})
		answered := make(chan bool, 1)
		go func() {
			_, err := l.WaitFor(t.Context(), seq)
			answered <- err == nil
		}()
		synctest.Wait()
		job = next(t, q)
		if len(answered) != 0 {
			t.Error("answered by a failure")
		}
		q.Done(job, w.do(job))
		if !<-answered {
			t.Error("not answered")
		}
	})
}

// A barrier waits for a scan that runs, and for what it finds.
func TestWaitForScan(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("d/a")
		root, _ := w.list(t.Context(), "")
		root.Scan = 1
		if err := l.Listed(t.Context(), root); err != nil {
			t.Fatal(err)
		}
		answered := make(chan bool, 1)
		go func() {
			_, err := l.WaitFor(t.Context(), l.Sequence())
			answered <- err == nil
		}()
		synctest.Wait()
		d, _ := w.list(t.Context(), "d")
		d.Scan = 1
		if err := l.Listed(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := l.Scanned(t.Context(), Scan{Number: 1, Complete: true, Root: w.id}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(answered) != 0 {
			t.Error("answered before what the scan found is sent")
		}
		job := next(t, q)
		q.Done(job, w.do(job))
		if !<-answered {
			t.Error("not answered")
		}
	})
}

// Deletions that are held are a failure to whoever waits.
func TestWaitForHeld(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) { o.Deletes = Mirror; o.MaxDeletes = Limit{} }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		l.scan.once = true
		paths := w.fill(3)
		w.remove(paths[0])
		l.Hint(paths[0], Removed)
		done := make(chan []Failure)
		go func() {
			f, err := l.WaitFor(t.Context(), l.Sequence())
			if err != nil {
				t.Error(err)
			}
			done <- f
		}()
		none(t, q, time.Minute)
		f := <-done
		var hold *HoldError
		if len(f) != 1 || !errors.As(f[0].Err, &hold) || hold.Doubt != TooMany {
			t.Errorf("%+v", f)
		}
	})
}

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

// A racy file is compared again when the clock has moved on.
func TestRacyIsComparedAgain(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Closed)
		job := next(t, q)
		e := state.Entry{Version: w.disk["a"], Racy: true}
		w.index["a"] = e
		q.Done(job, upload.Result{Action: upload.Upload, Entry: &e})
		start := time.Now()
		job = next(t, q)
		if got := time.Since(start); got != racyWait || job.Path != "a" {
			t.Errorf("%s after %v", job.Path, got)
		}
		e.Racy = false
		w.index["a"] = e
		q.Done(job, upload.Result{Action: upload.Touch, Entry: &e})
		none(t, q, 24*time.Hour)
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

// A barrier waits for a listing that is still being compared: a new directory's,
// whose files were there before the call.
func TestWaitForListing(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		if err := l.Scanned(t.Context(), Scan{Number: 1, Complete: true, Root: w.id}); err != nil {
			t.Fatal(err)
		}
		const files = maxScan + 100
		c := newCrowd(w, files*40)
		var listed sync.WaitGroup
		listed.Go(func() {
			li, _ := c.list(t.Context(), "d00")
			if err := l.Listed(t.Context(), li); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // it is blocked half-way
		var answered atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			if f, err := l.WaitFor(t.Context(), l.Sequence()); err != nil || len(f) != 0 {
				t.Error(f, err)
			}
			answered.Store(true)
		})
		synctest.Wait()
		for n := range files {
			job := next(t, q)
			synctest.Wait()
			if answered.Load() {
				t.Fatalf("answered after %d of %d", n, files)
			}
			q.Done(job, upload.Result{Action: upload.Upload})
		}
		listed.Wait()
		wg.Wait()
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
