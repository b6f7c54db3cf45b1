package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

func TestJudgeError(t *testing.T) {
	request := func(c upload.Class) error { return &upload.RequestError{Op: "put", Key: "k", Class: c} }
	file := func(err error) error {
		return fmt.Errorf("job: %w", &upload.FileError{Op: "read", Path: "p", Err: err})
	}
	most := func() float64 { return 1 }
	const ms = time.Millisecond
	tests := []struct {
		name string
		err  error
		a    attempt
		want verdict
	}{
		{"network", request(upload.Transient), attempt{}, verdict{hold: true, wait: 100 * ms}},
		{"network, fourth time", request(upload.Transient), attempt{tries: 3}, verdict{hold: true, wait: 800 * ms}},
		{"network, for ever", request(upload.Transient), attempt{tries: 1 << 30}, verdict{hold: true, wait: time.Minute}},
		{"throttled", &upload.RequestError{Class: upload.Transient, RetryAfter: 7 * time.Second}, attempt{}, verdict{hold: true, wait: 7 * time.Second}},
		{"no credential", request(upload.Credential), attempt{}, verdict{lane: true, hold: true}},
		{"no bucket", fmt.Errorf("x: %w", request(upload.ThisJob)), attempt{}, verdict{lane: true, hold: true}},
		{"bad object", request(upload.ThisFile), attempt{}, verdict{final: true}},
		{"bad copy", request(upload.ThisFile), attempt{copying: true}, verdict{plain: true}},
		{"source of a copy changed", request(upload.Conflict), attempt{copying: true}, verdict{plain: true}},
		{"source of a copy gone", request(upload.Missing), attempt{copying: true}, verdict{plain: true}},
		{"conflict otherwise", request(upload.Conflict), attempt{}, verdict{hold: true, wait: 100 * ms}},
		{"bad name", &KeyError{"p", ErrKeyLength}, attempt{}, verdict{final: true}},
		{"may not read", file(syscall.EACCES), attempt{}, verdict{final: true}},
		{"place in the trash is taken", file(upload.ErrTrashTaken), attempt{}, verdict{final: true}},
		{"disk error", file(syscall.EIO), attempt{}, verdict{wait: time.Second}},
		{"disk error again", file(syscall.EIO), attempt{tries: 4}, verdict{wait: 16 * time.Second}},
		{"disk error, enough", file(syscall.EIO), attempt{tries: 9}, verdict{wait: 512 * time.Second, final: true}},
		{"bare path error", &fs.PathError{Op: "read", Path: "p", Err: syscall.EIO}, attempt{}, verdict{wait: time.Second}},
		{"odd", errors.New("odd"), attempt{tries: 1}, verdict{hold: true, wait: 200 * ms}},
		{"stopped", fmt.Errorf("x: %w", context.Canceled), attempt{tries: 5, maxTries: 1}, verdict{relook: true, stopped: true}},
		{"stopped late", context.DeadlineExceeded, attempt{}, verdict{relook: true, stopped: true}},
		{"timed out", &upload.RequestError{Class: upload.Transient, Err: context.DeadlineExceeded}, attempt{}, verdict{hold: true, wait: 100 * ms}},
		{"vanished", file(upload.ErrVanished), attempt{}, verdict{relook: true}},
		{"vanished, says the worker alone", file(upload.ErrVanished), attempt{tries: 2}, verdict{relook: true, wait: 200 * ms}},
		{"not regular", file(upload.ErrNotRegular), attempt{}, verdict{relook: true}},
		{"busy", file(upload.ErrBusy), attempt{maxWait: time.Minute}, verdict{stuck: true, wait: 5 * ms}},
		{"busy for some time", file(upload.ErrBusy), attempt{stuck: 100, stuckFor: 9 * time.Second}, verdict{stuck: true, wait: 250 * ms}},
		{"busy for long", file(upload.ErrBusy), attempt{stuck: 100, stuckFor: 10 * time.Second}, verdict{stuck: true, wait: 2 * time.Second}},
		{"busy for very long", file(upload.ErrBusy), attempt{stuck: 999, stuckFor: time.Hour}, verdict{stuck: true, wait: 30 * time.Second}},
		{"changed", file(upload.ErrChanged), attempt{}, verdict{stuck: true, wait: 50 * ms}},
		{"changed again and again", file(upload.ErrChanged), attempt{stuck: 50}, verdict{stuck: true, wait: 5 * time.Second}},
		{"snapshot not proven", file(upload.ErrChanged), attempt{live: true, stuck: 1}, verdict{stuck: true, wait: 2 * time.Second}},

		{"one pass: network", request(upload.Transient), attempt{maxTries: 3, tries: 1}, verdict{hold: true, wait: 200 * ms}},
		{"one pass: network, last", request(upload.Transient), attempt{maxTries: 3, tries: 2}, verdict{hold: true, wait: 400 * ms, final: true}},
		{"one pass: bad copy, last", request(upload.Conflict), attempt{maxTries: 1, copying: true}, verdict{plain: true}},
		{"one pass: vanished for ever", file(upload.ErrVanished), attempt{maxTries: 3, tries: 4}, verdict{relook: true, final: true, wait: 800 * ms}},
		{"one pass: busy", file(upload.ErrBusy), attempt{maxTries: 1, maxWait: time.Minute, stuck: 9, stuckFor: 59 * time.Second}, verdict{stuck: true, wait: 2 * time.Second}},
		{"one pass: busy, never a snapshot", file(upload.ErrBusy), attempt{maxTries: 1, stuckFor: 10 * time.Second}, verdict{stuck: true, wait: 2 * time.Second, final: true}},
		{"one pass: no proven snapshot", file(upload.ErrChanged), attempt{maxTries: 2, live: true, stuck: 2, maxWait: time.Minute}, verdict{stuck: true, wait: 4 * time.Second, final: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judgeError(tt.err, tt.a, most); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if v := judgeError(request(upload.Transient), attempt{tries: 20}, func() float64 { return 0.25 }); v.wait != 15*time.Second {
		t.Errorf("jitter of a quarter gives %v", v.wait)
	}
}

// A file that fails is tried again later and later, and a hint does not hurry it
// where the server is at fault.
func TestRetryTransient(t *testing.T) {
	var events []Event
	sim(t, Options{Report: func(e Event) { events = append(events, e) }}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Moved)
		start := time.Now()
		for i := range 12 {
			job := next(t, q)
			if job.Try != i {
				t.Errorf("attempt %d says %d", i, job.Try)
			}
			q.Done(job, upload.Result{Err: &upload.RequestError{Op: "put", Class: upload.Transient, RequestID: "R", RetryAfter: 3 * time.Second}})
			l.Hint("a", Closed)
		}
		if got := time.Since(start); got < 33*time.Second || got > 6*time.Minute {
			t.Errorf("12 attempts took %v", got)
		}
		s, err := l.Status(t.Context())
		if err != nil || len(s.Failures) != 1 || s.Failures[0].Tries != 12 || s.Failures[0].Next.Before(time.Now()) || s.Pending != 1 {
			t.Errorf("status %+v, %v", s, err)
		}
		job := next(t, q)
		q.Done(job, w.do(job))
		e := events[0]
		if e.Err == nil || e.Final || e.RequestID != "R" || e.Try != 1 || e.Wait < 3*time.Second {
			t.Errorf("first event %+v", e)
		}
		if e := events[len(events)-1]; e.Err != nil || !e.Final || e.Try != 13 || e.Action != upload.Upload {
			t.Errorf("last event %+v", e)
		}
		if s, _ := l.Status(t.Context()); len(s.Failures) != 0 || s.Uploaded != 1 || s.Pending != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// A file that waited for the bucket longer than MaxWait is no file that is being
// written: it is not sent as a snapshot.
func TestRetryIsNoSnapshot(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Closed)
		for start := time.Now(); time.Since(start) < 10*time.Minute; {
			job := next(t, q)
			if job.Live {
				t.Fatalf("a snapshot after %v", time.Since(start))
			}
			q.Done(job, upload.Result{Action: upload.Upload, Err: &upload.RequestError{Op: "put", Class: upload.Transient}})
		}
		job := next(t, q)
		q.Done(job, upload.Result{Action: upload.Upload, Err: &upload.FileError{Op: "read", Path: "a", Err: upload.ErrBusy}})
		if job := next(t, q); !job.Live {
			t.Error("no snapshot of a file that is open")
		}
	})
}

// A file that cannot be read is left until it changes, or the next scan.
func TestRetryThisFile(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		denied := upload.Result{Err: &upload.FileError{Op: "open", Path: "a", Err: syscall.EACCES}}
		l.Hint("a", Moved)
		q.Done(next(t, q), denied)
		none(t, q, 24*time.Hour)
		l.Hint("a", Closed)
		q.Done(next(t, q), denied)
		none(t, q, 24*time.Hour)
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		q.Done(next(t, q), denied)
		if s, _ := l.Status(t.Context()); len(s.Failures) != 1 || s.Failures[0].Tries != 3 || !s.Failures[0].Next.IsZero() || s.Pending != 0 {
			t.Errorf("status %+v", s)
		}
		l.Retry()
		job := next(t, q)
		q.Done(job, w.do(job))
	})
}

// An unreadable path is not a vanished one.
func TestStatErrorIsNoDeletion(t *testing.T) {
	sim(t, Options{}, func(o *LaneOptions) { o.Deletes = Mirror }, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b")
		w.sent("a")
		for _, err := range []error{syscall.EACCES, syscall.EIO, syscall.ENXIO, errors.New("odd")} {
			w.statErr["a"] = err
			l.Hint("a", Removed)
			none(t, q, 20*time.Second)
		}
		if !w.known("a") {
			t.Error("forgotten")
		}
	})
}

// When the bucket refuses everything, one file is tried now and then, another
// each time, and all goes on when one succeeds. Other lanes are not concerned.
func TestRetryThisJob(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		other := newWorld()
		oo := other.options()
		oo.Target = &upload.Target{Name: "other"}
		ol := q.Lane(oo)
		refused := upload.Result{Err: &upload.RequestError{Op: "put", Class: upload.ThisJob, Code: "NoSuchBucket"}}
		for i := range 10 {
			w.write(fmt.Sprint(i))
			l.Hint(fmt.Sprint(i), Moved)
		}
		a, b := next(t, q), next(t, q)
		q.Done(a, refused)
		q.Done(b, refused) // under way when it began: no second step
		start := time.Now()
		var at []time.Duration
		tried := map[string]bool{}
		for range 6 {
			job := next(t, q)
			at = append(at, time.Since(start).Round(time.Second))
			tried[job.Path] = true
			none(t, q, 0)
			q.Done(job, refused)
		}
		want := "[5s 15s 35s 1m15s 2m15s 3m15s]"
		if got := fmt.Sprint(at); got != want {
			t.Errorf("probes at %v, want %v", got, want)
		}
		if len(tried) < 6 {
			t.Errorf("the same file again and again: %v", tried)
		}
		if s, _ := l.Status(t.Context()); s.State != Failing || s.Pending != 10 {
			t.Errorf("status %+v", s)
		}
		other.write("x")
		ol.Hint("x", Moved)
		if job := next(t, q); job.Target.Name != "other" {
			t.Errorf("lane %s", job.Target.Name)
		}
		job := next(t, q)
		// It answers about one file: it answers.
		q.Done(job, upload.Result{Err: &upload.RequestError{Op: "put", Class: upload.ThisFile}})
		start = time.Now()
		for range 9 {
			job := next(t, q)
			q.Done(job, w.do(job))
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("recovery took %v", got)
		}
		if s, _ := l.Status(t.Context()); s.State != Scanning || s.Pending != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// Without a credential a file is tried more often: until there is one, that
// costs no request.
func TestRetryCredential(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Moved)
		start := time.Now()
		var at []time.Duration
		for range 6 {
			job := next(t, q)
			at = append(at, time.Since(start).Round(time.Second))
			q.Done(job, upload.Result{Err: &upload.RequestError{Op: "put", Class: upload.Credential}})
		}
		if got, want := fmt.Sprint(at), "[0s 5s 15s 30s 45s 1m0s]"; got != want {
			t.Errorf("tried at %v, want %v", got, want)
		}
	})
}

// A probe that proves nothing does not end the trouble, and does not use up the
// turn.
func TestRetryProbeInconclusive(t *testing.T) {
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for _, p := range []string{"a", "b", "c", "d"} {
			w.write(p)
			l.Hint(p, Moved)
		}
		q.Done(next(t, q), upload.Result{Err: &upload.RequestError{Class: upload.Credential}})
		w.sent("b") // a look finds nothing to do
		start := time.Now()
		job := next(t, q)
		if got := time.Since(start); got != 5*time.Second || job.Path == "b" {
			t.Errorf("probe of %s after %v", job.Path, got)
		}
		q.Done(job, upload.Result{Action: upload.Touch})
		if s, _ := l.Status(t.Context()); s.State != Failing {
			t.Errorf("a touch ended the trouble: %+v", s)
		}
		job = next(t, q)
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("next probe after %v", got)
		}
		q.Done(job, w.do(job))
		if s, _ := l.Status(t.Context()); s.State != Scanning {
			t.Errorf("state %v", s.State)
		}
	})
}

// One pass over a bucket that is not there, or without a credential, ends, and
// every file counts as failed.
func TestOnePassRefused(t *testing.T) {
	for _, class := range []upload.Class{upload.ThisJob, upload.Credential} {
		t.Run(class.Error(), func(t *testing.T) { testOnePassRefused(t, class) })
	}
}

func testOnePassRefused(t *testing.T, class upload.Class) {
	var failed int
	sim(t, Options{MaxTries: 3, Report: func(e Event) {
		if e.Err != nil && e.Final {
			failed++
		}
	}}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for i := range 20_000 {
			w.write(fmt.Sprint("d/", i))
		}
		done := make(chan error)
		go func() { done <- w.scan(t.Context(), l, 1) }()
		synctest.Wait() // for the scan to wait for room
		var jobs []*upload.Job
		for range 64 {
			jobs = append(jobs, next(t, q))
		}
		for _, job := range jobs {
			q.Done(job, upload.Result{Err: &upload.RequestError{Class: class}})
		}
		if err := <-done; !errors.Is(err, class) {
			t.Errorf("scan: %v", err)
		}
		q.Drain()
		if failed < maxScan {
			t.Errorf("%d files failed", failed)
		}
		if s, _ := l.Status(t.Context()); s.State != Failing || s.Failed < int64(failed) {
			t.Errorf("status %v %d", s.State, s.Failed)
		}
	})
}

// One pass ends though a file fails for ever.
func TestOnePassMaxTries(t *testing.T) {
	sim(t, Options{MaxTries: 3}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b")
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		n := 0
		drain(t, q, func(job *upload.Job) upload.Result {
			if job.Path == "b" {
				return w.do(job)
			}
			n++
			return upload.Result{Err: &upload.RequestError{Class: upload.Transient}}
		})
		if _, err := q.Next(t.Context()); err != io.EOF {
			t.Errorf("Next: %v", err)
		}
		if s, _ := l.Status(t.Context()); n != 3 || s.Failed != 1 || s.Uploaded != 1 {
			t.Errorf("%d attempts, status %+v", n, s)
		}
	})
}

// Shutdown gives jobs back without blame, and they are due at once.
func TestRetryStopped(t *testing.T) {
	sim(t, Options{MaxTries: 1}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		l.Hint("a", Moved)
		for range 5 {
			job := next(t, q)
			if job.Try != 0 {
				t.Fatalf("try %d", job.Try)
			}
			q.Done(job, upload.Result{Err: context.Canceled})
		}
		synctest.Wait()
		if s, _ := l.Status(t.Context()); s.Failed != 0 || s.Pending != 1 {
			t.Errorf("status %+v", s)
		}
	})
}
