package plan

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// Where there is no room for more that vanished, the guards are not asked anew for
// each.
func TestLostJudgedTogether(t *testing.T) {
	judged := 0
	opt := func(o *LaneOptions) {
		mirror(o)
		o.MaxDeletes = Limit{Count: 10}
		o.Rival = func(context.Context) string { judged++; return "" }
		o.List = nil
	}
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		const n = maxParked + 2000
		paths := w.fill(n)
		for _, p := range paths {
			w.remove(p)
			l.Hint(p, Removed)
		}
		w.write("kept")
		w.sent("kept")
		none(t, q, time.Minute)
		if judged > 50 {
			t.Errorf("judged %d times for %d files, %d of them without room", judged, n, n-maxParked)
		}
	})
}

// However many vanished, nothing is deleted before the scan has told whether all
// could be read.
func TestManyDeletionsWaitForScan(t *testing.T) {
	opt := func(o *LaneOptions) { mirror(o); o.MaxDeletes = Limit{Count: -1} }
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		const n = maxParked + 200
		w.write("k")
		w.write("d1/k")
		w.sent("k", "d1/k")
		var paths []string
		for i := range n {
			p := fmt.Sprintf("d0/f%06d", i)
			w.write(p)
			paths = append(paths, p)
		}
		w.sent(paths...)
		w.wipe(paths)
		root, _ := w.list(t.Context(), "")
		root.Scan, root.Dirs = 1, []string{"d0", "d1"}
		if err := l.Listed(t.Context(), root); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = l.Listed(ctx, Listing{Dir: "d0", Digest: 7, Scan: 1}) }()
		// d1 is yet to be read, and cannot be.
		if job := try(t, q, time.Minute); job != nil {
			t.Errorf("%v %s while the scan is under way", job.Action, job.Path)
		}
		cancel()
		synctest.Wait()
	})
}

// A renamed file is not counted by the brake because another agent was in doubt
// for a while.
func TestRenamedNotCounted(t *testing.T) {
	why := "not known"
	opt := func(o *LaneOptions) {
		mirror(o)
		o.MaxDeletes = Limit{Count: 1}
		o.Rival = func(context.Context) string { return why }
	}
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		for _, p := range paths[:3] {
			mv(w, l, p, p+".new")
		}
		for range 3 {
			job := next(t, q)
			if job.Action != upload.Copy {
				t.Fatalf("%v %s", job.Action, job.Path)
			}
			q.Done(job, w.do(job))
		}
		none(t, q, time.Minute)
		why = ""
		l.Reconsider()
		for range 3 {
			job := try(t, q, time.Hour)
			if job == nil {
				s, _ := l.Status(t.Context())
				t.Fatalf("held: %+v", s.Hold)
			}
			q.Done(job, w.do(job))
		}
	})
}

// No more are deleted within an hour than max_deletes, also where some waited.
func TestDelayedCounted(t *testing.T) {
	opt := func(o *LaneOptions) { mirror(o); o.MaxDeletes = Limit{Count: 3} }
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		for _, p := range paths[:3] {
			w.remove(p)
			l.Hint(p, Removed)
		}
		q.Done(next(t, q), upload.Result{Err: away})
		l.Pause()
		time.Sleep(2 * time.Hour)
		l.Resume()
		for _, p := range paths[3:6] {
			w.remove(p)
			l.Hint(p, Removed)
		}
		n := 0
		for begun := time.Now(); time.Since(begun) < 10*time.Minute; {
			if job := try(t, q, time.Minute); job != nil {
				q.Done(job, w.do(job))
				n++
			}
		}
		if n > 3 {
			t.Errorf("%d deletions within 10 minutes, max_deletes = 3", n)
		}
	})
}

// Approval is of what waits: the next deletion is not held because of it.
func TestApprovedNotCounted(t *testing.T) {
	opt := func(o *LaneOptions) { mirror(o); o.MaxDeletes = Limit{Count: 3} }
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		for _, p := range paths[:4] {
			w.remove(p)
			l.Hint(p, Removed)
		}
		none(t, q, time.Minute)
		if err := l.Approve(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			job := next(t, q)
			q.Done(job, w.do(job))
		}
		w.remove(paths[5])
		l.Hint(paths[5], Removed)
		if job := try(t, q, time.Minute); job == nil {
			s, _ := l.Status(t.Context())
			t.Errorf("held: %+v", s.Hold)
		}
	})
}
