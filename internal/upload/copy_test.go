package upload

import (
	"errors"
	"os"
	"testing"
	"time"
)

// renamed uploads a file and renames it, and returns the job that copies it.
func (r *rig) renamed(old Action, data []byte) *Job {
	r.t.Helper()
	r.write("a.txt", data)
	r.mustDo(Upload, "a.txt")
	must(r.t, os.Rename(r.path("a.txt"), r.path("b.html")))
	j := r.job(Copy, "b.html")
	e := r.store.entries["a.txt"]
	e.Racy = false
	j.Known, j.From, j.FromKey, j.Old, j.TrashKey = &e, "a.txt", "k/a.txt", old, ".trash/a.txt"
	clear(r.store.calls)
	return j
}

func TestCopy(t *testing.T) {
	for _, size := range []int{100, 3 * testPart} {
		for _, old := range []Action{Skip, Forget, Delete, Trash} {
			r := newRig(t, Options{})
			data := pattern(size, 1)
			j := r.renamed(old, data)
			res := r.u.do(t.Context(), j)
			if res.Err != nil || res.Action != Copy || res.Bytes != 0 || r.store.count("put", "part") != 0 {
				t.Fatalf("old %d: %+v, calls %v", old, res, r.store.calls)
			}
			r.holds("b.html", data)
			if got := r.store.objects["k/b.html"].h.ContentType; got != "text/html; charset=utf-8" {
				t.Errorf("content type of the copy: %q", got)
			}
			_, entry := r.store.entries["a.txt"]
			_, object := r.store.objects["k/a.txt"]
			_, trash := r.store.objects[".trash/a.txt"]
			if entry != (old == Skip) || object != (old == Skip || old == Forget) || trash != (old == Trash) {
				t.Errorf("old %d: entry %t, object %t, trash %t", old, entry, object, trash)
			}
		}
	}
}

// Whatever is doubtful about a rename, the bytes are sent.
func TestCopyDoubt(t *testing.T) {
	data := pattern(5000, 2)
	other := pattern(5000, 3)
	tests := []struct {
		name string
		do   func(r *rig, j *Job)
		want []byte
	}{
		{"racy entry", func(_ *rig, j *Job) { j.Known.Racy = true }, data},
		{"assumed entry", func(_ *rig, j *Job) { j.Known.Assumed = true }, data},
		{"other inode", func(_ *rig, j *Job) { j.Known.FileID[0]++ }, data},
		{"object replaced", func(r *rig, _ *Job) { r.store.keep("k/a.txt", other, Header{}) }, data},
		{"object gone", func(r *rig, _ *Job) { delete(r.store.objects, "k/a.txt") }, data},
		{"no entry", func(_ *rig, j *Job) { j.Known = nil }, data},
		{"same times, other bytes", func(r *rig, j *Job) {
			must(r.t, os.WriteFile(r.path("b.html"), other, 0o644))
			old := time.Unix(0, j.Known.MTime)
			must(r.t, os.Chtimes(r.path("b.html"), old, old))
		}, other},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{})
			j := r.renamed(Skip, data)
			tt.do(r, j)
			res := r.u.do(t.Context(), j)
			if res.Err != nil || res.Action != Upload {
				t.Fatalf("%+v", res)
			}
			r.holds("b.html", tt.want)
		})
	}
}

// A large file that cannot be copied goes back to the planner, for it has to wait
// among the other large ones. Nothing is lost or left.
func TestCopyDoubtLarge(t *testing.T) {
	r := newRig(t, Options{Memory: 4 * testPart})
	data := pattern(6*testPart, 2)
	j := r.renamed(Skip, data)
	delete(r.store.objects, "k/a.txt")
	res := r.u.do(t.Context(), j)
	if !errors.Is(res.Err, ErrNoCopy) || r.store.count("put", "part") != 0 || len(r.store.pending) != 0 {
		t.Fatalf("%+v, calls %v", res, r.store.calls)
	}
	if _, ok := r.store.entries["a.txt"]; !ok {
		t.Error("the entry of the old path is gone")
	}
	r.mustDo(Upload, "b.html")
	r.holds("b.html", data)
}

// An object beyond what one request copies is copied in parts.
func TestCopyParts(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(1000, 4)
	r.store.keep("from", data, Header{})
	j := r.renamed(Skip, data)
	e := j.Known
	e.ETag = r.store.objects["from"].etag
	st, err := r.u.copyParts(t.Context(), j, "from", "to", e, Header{ContentType: "x/y"})
	if err != nil || string(r.store.objects["to"].data) != string(data) || st.CRC64 != e.CRC64 {
		t.Errorf("copyParts = %+v, %v", st, err)
	}
	e.ETag = "another"
	if _, err := r.u.copyParts(t.Context(), j, "from", "to2", e, Header{}); !errors.Is(err, Missing) {
		t.Errorf("copy of a replaced object: %v", err)
	}
	if len(r.store.pending) > 0 || len(r.store.plans) > 0 {
		t.Errorf("left over: %v, %v", r.store.pending, r.store.plans)
	}
}

// A copy in one request that the service refuses is tried in parts, and a role
// that may not copy sends the bytes and does not ask again.
func TestCopyRefused(t *testing.T) {
	data := pattern(5000, 5)
	for _, tt := range []struct {
		refusal *RequestError
		action  Action
		parts   int
	}{
		{&RequestError{Op: "copy", Class: ThisFile, Status: 400, Code: "EntityTooLarge"}, Copy, 1},
		{&RequestError{Op: "copy", Class: ThisJob, Status: 403, Code: "AccessDenied"}, Upload, 0},
	} {
		r := newRig(t, Options{})
		j := r.renamed(Skip, data)
		r.store.fault = func(op string, _ bool) error {
			if op == "copy" {
				return tt.refusal
			}
			return nil
		}
		if res := r.u.do(t.Context(), j); res.Err != nil || res.Action != tt.action {
			t.Fatalf("%s: %+v", tt.refusal.Code, res)
		}
		r.holds("b.html", data)
		if n := r.store.count("copy part"); n != tt.parts {
			t.Errorf("%s: %d parts were copied, want %d", tt.refusal.Code, n, tt.parts)
		}
		if r.target.mayCopy() != (tt.action == Copy) {
			t.Errorf("%s: is another copy tried: %t", tt.refusal.Code, r.target.mayCopy())
		}
	}
}

// A copy in parts whose last answer is lost is seen to be there.
func TestCopyCompleteLost(t *testing.T) {
	r := newRig(t, Options{})
	r.write("a", pattern(1000, 1))
	r.ripe("a")
	r.mustDo(Upload, "a")
	must(t, os.Rename(r.path("a"), r.path("b")))
	puts, lost := r.store.count("put"), false
	r.store.fault = func(op string, done bool) error {
		switch {
		case op == "copy" && !done:
			return &RequestError{Op: op, Class: ThisFile, Status: 400}
		case op == "complete" && done && !lost:
			lost = true
			return &RequestError{Op: op, Class: Transient}
		}
		return nil
	}
	j := r.job(Copy, "b")
	k := r.store.entries["a"]
	j.Known, j.From, j.FromKey, j.Old = &k, "a", "k/a", Forget
	res := r.u.do(t.Context(), j)
	if !lost || res.Err != nil || res.Action != Copy || r.store.count("put") != puts {
		t.Errorf("lost %t, %v %v, %d more puts; want a copy", lost, res.Action, res.Err, r.store.count("put")-puts)
	}
}
