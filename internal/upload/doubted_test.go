package upload

import (
	"os"
	"path/filepath"
	"testing"
)

// doubted sends a file of which the planner does not know how the last request
// about it ended.
func (r *rig) doubted(name string) Result {
	r.t.Helper()
	j := r.job(Upload, name)
	j.Doubted = true
	res := r.u.do(r.t.Context(), j)
	must(r.t, res.Err)
	return res
}

// A file comes back after its deletion, of which no answer came.
func TestDoubtedDeletion(t *testing.T) {
	for _, size := range []int{1000, 3 * testPart} {
		r := newRig(t, Options{})
		data := pattern(size, 1)
		r.write("f", data)
		r.mustDo(Upload, "f")
		aside := filepath.Join(t.TempDir(), "f")
		must(t, os.Rename(r.path("f"), aside))
		r.store.fault = func(op string, done bool) error {
			if op == "delete" && done {
				return &RequestError{Op: op, Class: Transient}
			}
			return nil
		}
		if r.do(Delete, "f").Err == nil {
			t.Fatal("a lost answer is no success")
		}
		r.store.fault = nil
		must(t, os.Rename(aside, r.path("f")))
		r.doubted("f")
		r.holds("f", data)
	}
}

// A file gets its old bytes back after others were sent, which the index does not
// know.
func TestDoubtedPut(t *testing.T) {
	r := newRig(t, Options{})
	one := pattern(1000, 1)
	r.write("f", one)
	r.mustDo(Upload, "f")
	r.write("f", pattern(1000, 2))
	r.store.fault = func(op string, done bool) error {
		if op == "record" && !done { // as a crash between put and index
			return os.ErrDeadlineExceeded
		}
		return nil
	}
	if r.do(Upload, "f").Err == nil {
		t.Fatal("not recorded is no success")
	}
	r.store.fault = nil
	r.write("f", one)
	r.doubted("f")
	r.holds("f", one)
}

// What is in order is not sent for a doubt.
func TestDoubtedTouch(t *testing.T) {
	for _, size := range []int{1000, 3 * testPart} {
		r := newRig(t, Options{})
		data := pattern(size, 1)
		r.write("f", data)
		r.mustDo(Upload, "f")
		r.age("f")
		clear(r.store.calls)
		if res := r.doubted("f"); res.Action != Touch || r.store.count("head") != 1 || r.store.count("put", "part", "create") != 0 {
			t.Errorf("%+v, calls %v", res, r.store.calls)
		}
		r.holds("f", data)
	}
}
