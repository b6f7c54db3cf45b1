package plan

import (
	"errors"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// When the index is not enough to know what the bucket holds.
func TestDoubted(t *testing.T) {
	lost := &upload.RequestError{Op: "put", Key: "a", Class: upload.Transient}
	tests := []struct {
		name string
		err  error // of an attempt before; nil: there was none
		scan bool  // found by a scan
		once bool  // a scan has ended before
		want bool
	}{
		{"hinted before the first scan has ended", nil, false, false, true},
		{"found by a scan", nil, true, false, true},
		{"hinted afterwards", nil, false, true, false},
		{"no answer", lost, false, true, true},
		{"not recorded", errors.New("record a: disk full"), false, true, true},
		{"not read", &upload.FileError{Op: "read", Path: "a", Err: upload.ErrBusy}, false, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
				w.write("a")
				w.write("b")
				w.sent("a", "b")
				if tt.once {
					if err := w.scan(t.Context(), l, 1); err != nil {
						t.Fatal(err)
					}
				}
				none(t, q, time.Minute)
				w.write("a")
				if tt.scan {
					if err := w.scan(t.Context(), l, 2); err != nil {
						t.Fatal(err)
					}
				} else {
					l.Hint("a", Closed)
				}
				job := next(t, q)
				if tt.err != nil {
					q.Done(job, upload.Result{Err: tt.err, Entry: job.Known})
					job = next(t, q)
				}
				if job.Action != upload.Upload || job.Doubted != tt.want {
					t.Errorf("%v, doubted %t, want an upload, %t", job.Action, job.Doubted, tt.want)
				}
				q.Done(job, w.do(job))
				time.Sleep(time.Hour)
				if !tt.once {
					return
				}
				w.write("a")
				l.Hint("a", Closed)
				if job := next(t, q); job.Doubted {
					t.Error("doubted after it was sent")
				}
			})
		})
	}
}

// What a listing tells is asked about only where something was sent since.
func TestDoubtedListed(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.index["a"] = state.Entry{Version: state.Version{Size: 1}, ETag: "E", Assumed: true}
		l.Hint("a", Closed)
		job := next(t, q)
		if job.Doubted {
			t.Error("doubted though nothing was sent")
		}
		q.Done(job, upload.Result{Err: away, Entry: job.Known})
		if job = next(t, q); !job.Doubted {
			t.Error("not doubted though something was sent")
		}
	})
}

// A deletion without an answer, and the file is back as it was, to the letter.
func TestDoubtedSame(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write("b")
		w.sent("a", "b")
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		was := w.disk["a"]
		w.remove("a")
		l.Hint("a", Removed)
		job := next(t, q)
		if job.Action != upload.Delete {
			t.Fatalf("%v %s", job.Action, job.Path)
		}
		w.disk["a"] = was
		q.Done(job, upload.Result{Err: away, Entry: job.Known})
		if job := next(t, q); job.Action != upload.Upload || !job.Doubted {
			t.Errorf("%v, doubted %t, want a doubted upload", job.Action, job.Doubted)
		}
	})
}
