package upload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
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

// A large file that cannot be copied is sent in parts like any other.
func TestCopyDoubtLarge(t *testing.T) {
	r := newRig(t, Options{Memory: 4 * testPart})
	data := pattern(6*testPart, 2)
	j := r.renamed(Skip, data)
	delete(r.store.objects, "k/a.txt")
	if res := r.u.do(t.Context(), j); res.Err != nil || res.Action != Upload || r.store.count("part") != 6 {
		t.Fatalf("%+v, calls %v", res, r.store.calls)
	}
	r.holds("b.html", data)
}

// An object beyond what one request copies is copied in parts.
func TestCopyParts(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(1000, 4)
	r.store.keep("from", data, Header{})
	e := r.renamed(Skip, data).Known
	e.ETag = r.store.objects["from"].etag
	st, err := r.u.copyParts(t.Context(), r.store, "from", "to", e, Header{ContentType: "x/y"})
	if err != nil || string(r.store.objects["to"].data) != string(data) || st.CRC64 != e.CRC64 {
		t.Errorf("copyParts = %+v, %v", st, err)
	}
	e.ETag = "another"
	if _, err := r.u.copyParts(t.Context(), r.store, "from", "to2", e, Header{}); !errors.Is(err, Missing) || len(r.store.pending) > 0 {
		t.Errorf("copy of a replaced object: %v, left over %v", err, r.store.pending)
	}
}

func TestRemove(t *testing.T) {
	for _, a := range []Action{Delete, Trash, Forget} {
		r := newRig(t, Options{})
		data := pattern(100, 5)
		r.write("f", data)
		r.mustDo(Upload, "f")
		job := func() *Job {
			j := r.job(a, "f")
			j.TrashKey = ".trash/f"
			return j
		}
		if a != Forget {
			if res := r.u.do(t.Context(), job()); !errors.Is(res.Err, ErrChanged) || len(r.store.objects) != 1 || res.Entry == nil {
				t.Errorf("action %d of a file that is there: %v", a, res.Err)
			}
		}
		must(t, os.Remove(r.path("f")))
		if res := r.u.do(t.Context(), job()); res.Err != nil || res.Entry != nil {
			t.Errorf("action %d: %+v", a, res)
		}
		_, object := r.store.objects["k/f"]
		trash, inTrash := r.store.objects[".trash/f"]
		if object != (a == Forget) || inTrash != (a == Trash) || len(r.store.entries) > 0 {
			t.Errorf("action %d: object %t, trash %t, entries %v", a, object, inTrash, r.store.entries)
		}
		if inTrash && (string(trash.data) != string(data) || trash.h.Metadata["osssync-deleted"] == "") {
			t.Errorf("trash holds %+v", trash)
		}
	}
}

// Where the source directory is not the one that was opened, files are not
// gone, and nothing is deleted.
func TestRemoveRootReplaced(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "source")
	must(t, os.Mkdir(dir, 0o755))
	tree, err := OpenTree(dir, false)
	must(t, err)
	defer tree.Close()
	r := newRig(t, Options{})
	r.target.Tree = tree
	r.store.keep("k/f", []byte("x"), Header{})
	must(t, os.Rename(dir, filepath.Join(base, "away")))
	must(t, os.Mkdir(dir, 0o755))
	for _, a := range []Action{Delete, Trash} {
		j := &Job{Target: r.target, Action: a, Path: "f", Key: "k/f", TrashKey: "t/f"}
		if res := r.u.do(t.Context(), j); !errors.Is(res.Err, ErrRootChanged) {
			t.Errorf("action %d: %v, want ErrRootChanged", a, res.Err)
		}
	}
	if len(r.store.objects) != 1 {
		t.Errorf("objects left: %v", r.store.objects)
	}
}

// A step that fails leaves what comes after it undone.
func TestTrashFails(t *testing.T) {
	for _, op := range []string{"head", "copy", "delete"} {
		r := newRig(t, Options{})
		r.write("f", []byte("x"))
		r.mustDo(Upload, "f")
		must(t, os.Remove(r.path("f")))
		r.store.fault = func(got string, _ bool) error {
			if got == op {
				return &RequestError{Class: Transient, Status: 503}
			}
			return nil
		}
		j := r.job(Trash, "f")
		j.TrashKey = "t/f"
		if res := r.u.do(t.Context(), j); !errors.Is(res.Err, Transient) || len(r.store.entries) != 1 {
			t.Errorf("%s fails: %v, entries %v", op, res.Err, r.store.entries)
		}
		if _, ok := r.store.objects["k/f"]; !ok {
			t.Errorf("%s fails: the object is gone", op)
		}
	}
}

// Many deletions at once need few requests.
func TestDeleteTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		var jobs []*Job
		for i := range 400 {
			name := fmt.Sprint(i)
			r.store.keep("k/"+name, nil, Header{})
			jobs = append(jobs, &Job{Target: r.target, Action: Delete, Path: name, Key: "k/" + name})
		}
		r.store.fault = func(op string, done bool) error {
			if op == "delete" && !done {
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		}
		q := newQueue(jobs...)
		if err := New(q, Options{Workers: 32}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for j, res := range q.results {
			if res.Err != nil {
				t.Errorf("%s: %v", j.Path, res.Err)
			}
		}
		if n := r.store.count("delete"); len(r.store.objects) > 0 || n > 40 {
			t.Errorf("%d objects left after %d requests", len(r.store.objects), n)
		}
	})
}

func TestAfterUpload(t *testing.T) {
	for _, size := range []int{100, 2 * testPart} {
		for _, move := range []bool{false, true} {
			r := newRig(t, Options{})
			dest := filepath.Join(t.TempDir(), "deep/done")
			r.target.Object.AfterUpload = "delete"
			if move {
				r.target.Object.AfterUpload = "move:" + dest
			}
			data := pattern(size, 6)
			for range 2 { // the second finds the first at its destination
				r.write("d/f", data)
				res := r.mustDo(Upload, "d/f")
				if res.Entry != nil || len(r.store.entries) > 0 {
					t.Errorf("a file that left has an entry: %+v", res.Entry)
				}
				if _, err := os.Lstat(r.path("d/f")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the file is still there: %v", err)
				}
			}
			if string(r.store.objects["k/d/f"].data) != string(data) {
				t.Error("object is not the file")
			}
			for _, name := range []string{"d/f", "d/f.1"} {
				got, err := os.ReadFile(filepath.Join(dest, name))
				if move != (err == nil) || move && string(got) != string(data) {
					t.Errorf("%s at the destination: %d bytes, %v", name, len(got), err)
				}
			}
		}
	}
}

// A file that changed since it was read, or that somebody writes to, stays, and
// so does its entry.
func TestAfterUploadChanged(t *testing.T) {
	for _, how := range []string{"changed", "replaced", "open", "not recorded", "live", "link"} {
		r := newRig(t, Options{})
		r.target.Object.AfterUpload = "delete"
		r.write("f", []byte("12345"))
		j := r.job(Upload, "f")
		j.Live = how == "live"
		r.store.fault = func(op string, done bool) error {
			if op != "record" || !done {
				return nil
			}
			switch how {
			case "changed":
				r.write("f", []byte("54321"))
			case "replaced":
				r.write("g", []byte("12345"))
				must(t, os.Rename(r.path("g"), r.path("f")))
			case "open":
				f, err := os.OpenFile(r.path("f"), os.O_WRONLY, 0)
				must(t, err)
				t.Cleanup(func() { f.Close() })
			case "not recorded":
				return errors.New("disk full")
			case "link":
				must(t, os.Rename(r.path("f"), r.path("g")))
				must(t, os.Symlink("g", r.path("f")))
			}
			return nil
		}
		res := r.u.do(t.Context(), j)
		if (res.Err == nil) != (how == "live") {
			t.Errorf("%s: %v", how, res.Err)
		}
		if _, err := os.ReadFile(r.path("f")); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if _, ok := r.store.entries["f"]; !ok {
			t.Errorf("%s: the entry is gone", how)
		}
	}
}

// A file that cannot be moved keeps its entry, so that it is not sent again.
func TestAfterUploadFails(t *testing.T) {
	r := newRig(t, Options{})
	blocked := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(blocked, nil, 0o644))
	r.target.Object.AfterUpload = "move:" + filepath.Join(blocked, "below")
	data := []byte("data")
	r.write("f", data)
	res := r.do(Upload, "f")
	if e, ok := errors.AsType[*FileError](res.Err); !ok || e.Op != "move" || res.Entry == nil {
		t.Errorf("result %+v, want a FileError of move", res)
	}
	r.holds("f", data)
}

// Between file systems a file is copied, checked, and removed then.
func TestMoveAcross(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(10_000, 7)
	r.write("d/f", data)
	res := r.mustDo(Upload, "d/f")
	dest := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(dest, []byte("other"), 0o644))
	wrong := *res.Entry
	wrong.CRC64++
	for _, tt := range []struct {
		name string
		crc  uint64
		ok   bool
	}{{"damaged copy", wrong.CRC64, false}, {"good copy", res.Entry.CRC64, true}} {
		e := *res.Entry
		e.CRC64 = tt.crc
		l, err := r.target.Tree.leave("d/f", e)
		must(t, err)
		err = l.moveAcross(dest)
		l.Close()
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := os.Stat(r.path("d/f")); (err == nil) == tt.ok {
			t.Errorf("%s: source: %v", tt.name, err)
		}
	}
	got, err := os.ReadFile(dest + ".1")
	if err != nil || string(got) != string(data) {
		t.Errorf("copy: %d bytes, %v", len(got), err)
	}
	left, err := os.ReadDir(filepath.Dir(dest))
	if err != nil || len(left) != 2 {
		t.Errorf("destination holds %v, %v", left, err)
	}
}

