package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

const large = 1000 // bytes, in these tests

// big makes or changes a large file.
func (w *world) big(path string) {
	w.write(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.disk[path]
	v.Size += large
	w.disk[path] = v
}

// takeAll takes what there is at once.
func takeAll(t *testing.T, q *Queue) (jobs []*upload.Job) {
	t.Helper()
	for {
		job := try(t, q, time.Second)
		if job == nil {
			return jobs
		}
		jobs = append(jobs, job)
	}
}

func paths(jobs []*upload.Job) (list []string) {
	for _, j := range jobs {
		list = append(list, j.Path)
	}
	return list
}

// However many large files wait, few are handed out at once, and small ones of
// the same job and large ones of another are not behind them.
func TestLargeFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(Options{Large: large})
		a, b := newWorld(), newWorld()
		la, lb := q.Lane(a.options()), q.Lane(b.options())
		for i := range 300 {
			a.big(fmt.Sprintf("large%03d", i))
		}
		a.write("small")
		if err := a.scan(t.Context(), la, 1); err != nil {
			t.Fatal(err)
		}
		jobs := takeAll(t, q)
		if n := len(jobs); n != upload.LargeAtOnce+1 || !slices.Contains(paths(jobs), "small") {
			t.Fatalf("%d jobs at once: %v", n, paths(jobs))
		}
		if s, _ := la.Status(t.Context()); s.InFlight != len(jobs) || s.Pending != 301 {
			t.Errorf("%d in flight, %d pending", s.InFlight, s.Pending)
		}
		b.big("other")
		lb.Hint("other", Moved)
		none(t, q, time.Hour)
		i := slices.IndexFunc(jobs, func(j *upload.Job) bool { return j.Path != "small" })
		q.Done(jobs[i], a.do(jobs[i]))
		if job := next(t, q); job.Path != "other" {
			t.Errorf("the next large file is %s, of the job that has all the others", job.Path)
		} else {
			q.Done(job, b.do(job))
		}
		for j, job := range jobs {
			if j != i {
				q.Done(job, a.do(job))
			}
		}
		did := drain(t, q, a.do)
		if len(did) != 300-upload.LargeAtOnce || q.large != 0 {
			t.Errorf("%d of the others were done, %d places are taken", len(did), q.large)
		}
	})
}

// The newest of the large files come first, and what a scan found does not
// stand still for them.
func TestLargeNewestFirst(t *testing.T) {
	sim(t, Options{Large: large}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for i := range 100 {
			w.big(fmt.Sprintf("old%03d", i))
		}
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		flying := takeAll(t, q)
		for i := range 40 {
			w.big(fmt.Sprint("new", i))
			l.Hint(fmt.Sprint("new", i), Moved)
		}
		none(t, q, time.Second) // they are all looked at
		var older, newer int
		for range 36 {
			q.Done(flying[0], w.do(flying[0]))
			job := next(t, q)
			if strings.HasPrefix(job.Path, "new") {
				newer++
			} else {
				older++
			}
			flying = append(flying[1:], job)
		}
		if older != 4 || newer != 32 {
			t.Errorf("%d new and %d old large files", newer, older)
		}
	})
}

// What happens to a file that waits on the shelf is seen when its turn comes,
// and does not send it to the end of the line; if it is gone, that is seen at once.
func TestLargeChangesMeanwhile(t *testing.T) {
	sim(t, Options{Large: large}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for i := range upload.LargeAtOnce {
			w.big(fmt.Sprint(i))
			l.Hint(fmt.Sprint(i), Moved)
		}
		flying := takeAll(t, q)
		for _, name := range []string{"shrinks", "first", "gone"} {
			w.big(name)
			l.Hint(name, Moved)
			none(t, q, time.Second)
		}
		w.big("first")
		l.Hint("first", Closed)
		w.mu.Lock()
		v := w.disk["shrinks"]
		v.Size = 1
		w.disk["shrinks"] = v
		w.mu.Unlock()
		w.remove("gone")
		l.Hint("gone", Removed)
		none(t, q, time.Second)
		if s, _ := l.Status(t.Context()); s.Pending != int64(len(flying)+2) {
			t.Errorf("%d pending", s.Pending)
		}
		w.big("last")
		l.Hint("last", Moved)
		var got []string
		for _, job := range flying[:3] {
			q.Done(job, w.do(job))
			got = append(got, next(t, q).Path)
		}
		if want := []string{"shrinks", "first", "last"}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

// A bucket that refuses everything is tried by large files too.
func TestLargeProbe(t *testing.T) {
	sim(t, Options{Large: large}, nil, func(t *testing.T, w *world, q *Queue, l *Lane) {
		for i := range 100 {
			w.big(fmt.Sprint(i))
			l.Hint(fmt.Sprint(i), Moved)
		}
		refuse := upload.Result{Action: upload.Upload, Err: &upload.RequestError{Op: "put", Class: upload.ThisJob}}
		for _, job := range takeAll(t, q) {
			q.Done(job, refuse)
		}
		for range 3 {
			q.Done(next(t, q), refuse)
		}
		job := next(t, q)
		none(t, q, time.Hour) // one probe at a time
		q.Done(job, w.do(job))
		if jobs := takeAll(t, q); len(jobs) != upload.LargeAtOnce {
			t.Errorf("%d jobs after the recovery", len(jobs))
		}
	})
}

// A large file that cannot be copied waits among the large ones.
func TestLargeNoCopy(t *testing.T) {
	sim(t, Options{Large: large}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		w.big("a")
		w.sent("a", "k")
		for i := range upload.LargeAtOnce {
			w.big(fmt.Sprint(i))
			l.Hint(fmt.Sprint(i), Moved)
		}
		flying := takeAll(t, q)
		mv(w, l, "a", "b")
		job := next(t, q) // a copy takes no place
		if job.Action != upload.Copy {
			t.Fatalf("%v %s", job.Action, job.Path)
		}
		err := &upload.FileError{Op: "copy", Path: "b", Err: upload.ErrNoCopy}
		q.Done(job, upload.Result{Action: upload.Copy, Err: err})
		if job := try(t, q, time.Second); job != nil && job.Path == "b" {
			t.Fatalf("%v %s, with all places taken", job.Action, job.Path)
		}
		q.Done(flying[0], w.do(flying[0]))
		if job := next(t, q); job.Action != upload.Upload || job.Path != "b" {
			t.Errorf("%v %s", job.Action, job.Path)
		}
	})
}
