package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

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
		{"trash", func(o *LaneOptions) { o.Deletes, o.TrashPrefix = Trash, ".trash/" }, []string{"a", "k"}, func(w *world, l *Lane) { mv(w, l, "a", "b") }, []string{"copy b", "trash a"}},
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
				if len(l.gone.byID) != 0 || l.gone.count != 0 || l.gone.claimed != 0 || l.removing != 0 || l.hopes.count != 0 || l.hopes.patient != 0 || l.active() != 0 {
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
				w.slow = map[string]time.Duration{"old": 100 * time.Millisecond} // all others are looked at before
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
