package upload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
	if err := os.Rename(dir, filepath.Join(base, "away")); isOpen(err) {
		t.Skipf("an open directory cannot be replaced on this system: %v", err)
	} else {
		must(t, err)
	}
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

// The trash takes nobody's place but that of what was deleted before.
func TestTrashTaken(t *testing.T) {
	r := newRig(t, Options{})
	trash := func(data string) Result {
		r.write("f", []byte(data))
		r.mustDo(Upload, "f")
		must(t, os.Remove(r.path("f")))
		j := r.job(Trash, "f")
		j.TrashKey = "t/f"
		return r.u.do(t.Context(), j)
	}
	for _, data := range []string{"first", "second"} {
		if res := trash(data); res.Err != nil || string(r.store.objects["t/f"].data) != data {
			t.Fatalf("%s: %v, objects %v", data, res.Err, r.store.objects)
		}
	}
	alive := Header{Metadata: map[string]string{metaMTime: "1"}}
	r.store.keep("t/f", []byte("alive"), alive)
	if res := trash("third"); !errors.Is(res.Err, ErrTrashTaken) || !strings.Contains(res.Err.Error(), "t/f") {
		t.Errorf("onto a living object: %v, want ErrTrashTaken", res.Err)
	}
	if a, b := r.store.objects["t/f"], r.store.objects["k/f"]; string(a.data) != "alive" || string(b.data) != "third" || len(r.store.entries) != 1 {
		t.Errorf("objects %v, entries %v", r.store.objects, r.store.entries)
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
