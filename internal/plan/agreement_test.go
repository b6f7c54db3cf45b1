package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// away is what each request ends with while OSS is not there.
var away = &upload.RequestError{Op: "delete", Key: "k", Class: upload.Transient, Status: 503}

// The guards agree, and then the deletion waits: because its request fails again
// and again, or because the lane is paused. What has come up meanwhile stops it,
// and it goes on when that is over.
func TestAgreementEnds(t *testing.T) {
	why := ""
	var disk map[string]state.Version
	doubts := map[string]struct {
		doubt Doubt
		rise  func(t *testing.T, w *world, l *Lane)
		fall  func(t *testing.T, w *world, l *Lane)
	}{
		"another agent": {Shared,
			func(*testing.T, *world, *Lane) { why = "another agent writes here" },
			func(_ *testing.T, _ *world, l *Lane) { why = ""; l.Reconsider() }},
		"unread directory": {DirUnread,
			func(t *testing.T, w *world, l *Lane) { scanHeld(t, w, l, Scan{Number: 1, Unread: []string{"d2"}}) },
			func(t *testing.T, w *world, l *Lane) { scanHeld(t, w, l, Scan{Number: 2, Complete: true}) }},
		"emptied": {RootEmpty,
			func(_ *testing.T, w *world, _ *Lane) { disk, w.disk = w.disk, nil },
			func(t *testing.T, w *world, l *Lane) {
				w.disk = disk
				scanHeld(t, w, l, Scan{Number: 2, Complete: true})
			}},
	}
	waits := map[string]func(t *testing.T, q *Queue, l *Lane, job *upload.Job, rise func()){
		"failing": func(t *testing.T, q *Queue, _ *Lane, job *upload.Job, rise func()) {
			for begun := time.Now(); time.Since(begun) < time.Hour/2; job = next(t, q) {
				q.Done(job, upload.Result{Err: away, Entry: job.Known})
			}
			rise()
			time.Sleep(agreement)
			q.Done(job, upload.Result{Err: away, Entry: job.Known})
		},
		"paused": func(t *testing.T, q *Queue, l *Lane, job *upload.Job, rise func()) {
			q.Done(job, upload.Result{Err: away, Entry: job.Known})
			l.Pause()
			time.Sleep(time.Hour / 2)
			rise()
			l.Resume()
		},
	}
	for name, d := range doubts {
		for way, wait := range waits {
			t.Run(name+"/"+way, func(t *testing.T) {
				why = ""
				opt := func(o *LaneOptions) {
					mirror(o)
					o.MaxDeletes = Limit{Count: 1} // it is one deletion, however often it is tried
					o.Rival = func(context.Context) string { return why }
				}
				sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
					paths := w.fill(30)
					w.remove(paths[0])
					l.Hint(paths[0], Removed)
					wait(t, q, l, next(t, q), func() { d.rise(t, w, l) })
					none(t, q, 2*time.Minute) // longer than it waits before it is tried again
					if s, _ := l.Status(t.Context()); s.Hold.Doubt != d.doubt || s.Hold.Held != 1 {
						t.Errorf("held by %+v, want doubt %d", s.Hold, d.doubt)
					}
					d.fall(t, w, l)
					if job := next(t, q); job.Action != upload.Delete || job.Path != paths[0] {
						t.Errorf("%v %s, want the deletion", job.Action, job.Path)
					}
				})
			})
		}
	}
}

// While the guards agree, a deletion that fails is tried again without being
// gathered anew, and they are asked seldom.
func TestAgreementLasts(t *testing.T) {
	asked := 0
	opt := func(o *LaneOptions) {
		mirror(o)
		o.Rival = func(context.Context) string { asked++; return "" }
	}
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(600) // twice as many would be more than max_deletes
		for _, p := range paths[:500] {
			w.remove(p)
			l.Hint(p, Removed)
		}
		begun := time.Now()
		for time.Since(begun) < time.Minute {
			job := next(t, q)
			q.Done(job, upload.Result{Err: away, Entry: job.Known})
		}
		n := 0
		for took := time.Minute; n < 500; took = time.Since(begun) {
			job := next(t, q)
			if most := 1 + int(took/agreement); asked > most {
				t.Fatalf("asked %d times within %v, want at most %d", asked, took, most)
			}
			q.Done(job, w.do(job))
			n++
		}
		none(t, q, time.Hour)
	})
}

// What a scan could not read counts at once.
func TestAgreementEndsWithScan(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		w.remove(paths[0])
		l.Hint(paths[0], Removed)
		job := next(t, q)
		scanHeld(t, w, l, Scan{Number: 1, Unread: []string{"d2"}})
		q.Done(job, upload.Result{Err: away, Entry: job.Known})
		none(t, q, time.Hour)
	})
}

// A file that comes back and vanishes again is gathered and judged like any other.
func TestAgreementOfReturned(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		w.remove(paths[0])
		l.Hint(paths[0], Removed)
		q.Done(next(t, q), upload.Result{Err: away})
		w.write(paths[0])
		l.Hint(paths[0], Moved)
		job := next(t, q)
		if job.Action != upload.Upload {
			t.Fatalf("%v %s, want an upload", job.Action, job.Path)
		}
		w.remove(paths[0])
		q.Done(job, upload.Result{Err: away})
		l.Hint(paths[0], Removed)
		none(t, q, gatherQuiet-time.Millisecond)
		if job := next(t, q); job.Action != upload.Delete {
			t.Errorf("%v %s, want the deletion", job.Action, job.Path)
		}
	})
}

// What cannot be asked is no agreement, and loses nothing.
func TestAgreementUnknown(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(30)
		var broken error
		l.opt.Count = func(context.Context) (int64, int64, error) { return 30, 0, broken }
		w.remove(paths[0])
		l.Hint(paths[0], Removed)
		q.Done(next(t, q), upload.Result{Err: away})
		l.Pause()
		time.Sleep(time.Hour)
		l.Resume()
		broken = errors.New("disk I/O error")
		if job, err := q.Next(t.Context()); !errors.Is(err, broken) {
			t.Fatalf("Next = %v, %v, want the error of the index", job, err)
		}
		broken = nil
		if job := next(t, q); job.Action != upload.Delete {
			t.Errorf("%v %s, want the deletion", job.Action, job.Path)
		}
	})
}

// That the guards agree to forget a file, for which they do not ask about other
// agents, is no agreement to a deletion.
func TestAgreementOfForgetting(t *testing.T) {
	for _, forget := range []bool{false, true} {
		t.Run(fmt.Sprint("forget=", forget), func(t *testing.T) {
			why := ""
			opt := func(o *LaneOptions) {
				mirror(o)
				o.Rival = func(context.Context) string { return why }
			}
			sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
				paths := w.fill(30)
				w.remove(paths[0])
				l.Hint(paths[0], Removed)
				job := next(t, q)
				why = "another agent writes here"
				time.Sleep(agreement + time.Second)
				if forget {
					w.statErr[paths[1]] = upload.ErrNotRegular
					l.Hint(paths[1], Moved)
					f := next(t, q)
					if f.Action != upload.Forget {
						t.Fatalf("%v %s, want forget", f.Action, f.Path)
					}
					q.Done(f, w.do(f))
				}
				q.Done(job, upload.Result{Err: away, Entry: job.Known})
				none(t, q, time.Hour)
			})
		})
	}
}

// What is doubted is asked once, not once for each deletion that was agreed to:
// else they hold up all that changes meanwhile.
func TestAgreementRefused(t *testing.T) {
	asked, why := 0, ""
	opt := func(o *LaneOptions) {
		mirror(o)
		o.Rival = func(context.Context) string {
			asked++
			if why != "" {
				time.Sleep(1400 * time.Millisecond) // as guard.forbids does
			}
			return why
		}
	}
	sim(t, Options{}, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		paths := w.fill(600)
		for _, p := range paths[:200] {
			w.remove(p)
			l.Hint(p, Removed)
		}
		q.Done(next(t, q), upload.Result{Err: away})
		l.Pause()
		time.Sleep(time.Hour)
		why, asked = "not known", 0
		l.Resume()
		w.write("new")
		l.Hint("new", Moved)
		begun := time.Now()
		job := next(t, q)
		if took := time.Since(begun); job.Path != "new" || took > 10*time.Second {
			t.Errorf("%s handed out after %v, other agents asked about %d times", job.Path, took, asked)
		}
	})
}
