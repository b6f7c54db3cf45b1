package plan

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

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

// A hint for a file that is being compared again, its older hint being answered,
// is waited for.
func TestWaitForHintOfAnswered(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		l.scan.once = true
		w.write("a")
		l.Hint("a", Moved)
		job := next(t, q)
		res := w.do(job)
		res.Entry.Racy = true
		w.index["a"] = *res.Entry
		q.Done(job, res)
		job = next(t, q) // the racy file is read once more
		w.write("a")
		l.Hint("a", Closed)
		seq := l.Sequence()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answered := make(chan error, 1)
		go func() { _, err := l.WaitFor(ctx, seq); answered <- err }()
		synctest.Wait()
		select {
		case err := <-answered:
			t.Fatalf("answered (%v) though the change hinted as %d is not in the bucket", err, seq)
		default:
		}
		for job != nil {
			q.Done(job, w.do(job))
			job = try(t, q, time.Minute)
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
}
