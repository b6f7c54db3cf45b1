package upload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

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
				r.ripe("d/f")
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
		r.ripe("f")
		j := r.job(Upload, "f")
		j.Live = how == "live"
		var impossible error
		r.store.fault = func(op string, done bool) error {
			if op != "record" || !done {
				return nil
			}
			switch how {
			case "changed":
				r.write("f", []byte("54321"))
			case "replaced":
				r.write("g", []byte("12345"))
				if err := os.Rename(r.path("g"), r.path("f")); isOpen(err) {
					impossible = err
				} else {
					must(t, err)
				}
			case "open":
				f, err := os.OpenFile(r.path("f"), os.O_WRONLY, 0)
				must(t, err)
				t.Cleanup(func() { f.Close() })
			case "not recorded":
				return errors.New("disk full")
			case "link":
				must(t, os.Rename(r.path("f"), r.path("g")))
				impossible = symlink("g", r.path("f"))
			}
			return nil
		}
		res := r.u.do(t.Context(), j)
		if impossible != nil {
			t.Logf("%s: not tried, for this system refuses it: %v", how, impossible)
			continue
		}
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
	r.ripe("f")
	res := r.do(Upload, "f")
	if e, ok := errors.AsType[*FileError](res.Err); !ok || e.Op != "move" || res.Entry == nil {
		t.Errorf("result %+v, want a FileError of move", res)
	}
	r.holds("f", data)
}

// A file that a write in the same tick of the clock may have changed stays until
// it has been compared again; so does one that did not go the first time.
func TestAfterUploadAgain(t *testing.T) {
	for _, size := range []int{100, 2 * testPart} {
		r := newRig(t, Options{})
		r.target.Object.AfterUpload = "delete"
		data := pattern(size, 6)
		r.write("f", data)
		r.ripe("f")
		res := r.mustDo(Upload, "f")
		if res.Entry != nil {
			t.Fatalf("size %d: a file that left has an entry: %+v", size, res.Entry)
		}
		r.write("f", data)
		r.ripe("f")
		rd, err := r.u.begin(r.job(Upload, "f"))
		must(t, err)
		e := rd.entry(checksum(data))
		e.Racy = true
		must(t, r.u.record(t.Context(), rd, e, &res))
		rd.Close()
		if res.Entry == nil || !res.Entry.Racy {
			t.Errorf("size %d: racy: %+v", size, res.Entry)
		}
		if _, err := os.Lstat(r.path("f")); err != nil {
			t.Errorf("size %d: racy: %v", size, err)
		}
		clear(r.store.calls)
		res = r.mustDo(Upload, "f")
		if res.Action != Touch || r.store.count("put", "part") != 0 {
			t.Errorf("size %d: %v, calls %v", size, res.Action, r.store.calls)
		}
		if _, err := os.Lstat(r.path("f")); !errors.Is(err, os.ErrNotExist) || len(r.store.entries) > 0 {
			t.Errorf("size %d: compared again: %v, entries %v", size, err, r.store.entries)
		}
	}
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
