package upload

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/osssync/osssync/internal/state"
)

// grown uploads a file of some parts, sums are kept from 1 MiB on, and then
// adds bytes to it.
func (r *rig) grown(data []byte, more int) []byte {
	r.t.Helper()
	r.write("log", data)
	r.mustDo(Upload, "log")
	r.settle()
	data = slices.Concat(data, pattern(more, 99))
	r.write("log", data)
	clear(r.store.calls)
	return data
}

// settle makes entries as certain as those of files that were left alone.
func (r *rig) settle() {
	for path, e := range r.store.entries {
		e.Racy = false
		r.store.entries[path] = e
	}
}

const growParts = 12 // and a bit; just over state.LeastSummed

func TestGrow(t *testing.T) {
	r := newRig(t, Options{})
	data := r.grown(pattern(growParts*testPart+500, 1), 1000)
	res := r.mustDo(Upload, "log")
	r.holds("log", data)
	if got := r.store.count("copy part"); got != growParts || r.store.count("part") != 1 {
		t.Errorf("calls %v, want %d parts copied and one sent", r.store.calls, growParts)
	}
	if res.Bytes != 1500 {
		t.Errorf("%d bytes were sent, want what the copied parts lack", res.Bytes)
	}
	// And again: what was copied is remembered as well as what was sent.
	r.settle()
	data = slices.Concat(data, pattern(2*testPart, 7))
	r.write("log", data)
	clear(r.store.calls)
	r.mustDo(Upload, "log")
	r.holds("log", data)
	if got := r.store.count("copy part"); got != growParts {
		t.Errorf("calls %v, want %d parts copied", r.store.calls, growParts)
	}
}

// A log that is still open is taken by two readings, also of what is copied.
func TestGrowLive(t *testing.T) {
	r := newRig(t, Options{})
	data := r.grown(pattern(growParts*testPart, 2), testPart)
	f, err := os.OpenFile(r.path("log"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	defer f.Close()
	j := r.job(Upload, "log")
	j.Live = true
	if res := r.u.do(t.Context(), j); res.Err != nil || res.Bytes != testPart {
		t.Fatalf("%+v", res)
	}
	r.holds("log", data)
	if got := r.store.count("copy part"); got != growParts {
		t.Errorf("calls %v, want %d parts copied", r.store.calls, growParts)
	}
}

// Whatever is doubtful about what the object holds, the bytes are sent.
func TestGrowDoubt(t *testing.T) {
	denied := &RequestError{Op: "copy part", Class: ThisJob, Status: 403, Code: "AccessDenied"}
	tests := []struct {
		name string
		do   func(r *rig, data []byte)
		sent int // parts at least
	}{
		{"a byte in the middle changed", func(r *rig, data []byte) {
			data[3*testPart] ^= 1
			r.write("log", data)
		}, 2},
		{"all of it changed", func(r *rig, data []byte) {
			copy(data, pattern(len(data), 55))
			r.write("log", data)
		}, growParts + 1},
		{"object replaced by another", func(r *rig, _ []byte) {
			r.store.keep("k/log", pattern(growParts*testPart, 66), Header{})
		}, growParts + 1},
		{"object gone", func(r *rig, _ []byte) { delete(r.store.objects, "k/log") }, growParts + 1},
		{"sums lost", func(r *rig, _ []byte) { clear(r.store.sums) }, growParts + 1},
		{"sums of another object", func(r *rig, _ []byte) {
			s := r.store.sums["log"]
			s.CRC64++
			r.store.sums["log"] = s
		}, growParts + 1},
		{"parts of another size", func(r *rig, _ []byte) {
			s := r.store.sums["log"]
			s.PartSize *= 2
			r.store.sums["log"] = s
		}, growParts + 1},
		{"entry only assumed", func(r *rig, _ []byte) {
			e := r.store.entries["log"]
			e.Assumed = true
			r.store.entries["log"] = e
		}, growParts + 1},
		{"role may not read objects", func(r *rig, _ []byte) {
			r.store.fault = func(op string, _ bool) error {
				if op == "copy part" {
					return denied
				}
				return nil
			}
		}, growParts + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{Workers: 1})
			data := r.grown(pattern(growParts*testPart, 3), testPart)
			tt.do(r, data)
			res := r.mustDo(Upload, "log")
			r.holds("log", data)
			if got := r.store.count("part"); got < tt.sent || res.Bytes < int64(tt.sent-1)*testPart {
				t.Errorf("%d parts were sent, want %d at least; calls %v", got, tt.sent, r.store.calls)
			}
		})
	}
}

// A role that may only add objects is asked once.
func TestGrowAppendOnly(t *testing.T) {
	r := newRig(t, Options{Workers: 1})
	r.store.fault = func(op string, _ bool) error {
		if op == "copy part" || op == "head" {
			return &RequestError{Op: op, Class: ThisJob, Status: 403, Code: "AccessDenied"}
		}
		return nil
	}
	data := r.grown(pattern(growParts*testPart, 4), 10)
	r.mustDo(Upload, "log")
	r.holds("log", data)
	asked := r.store.count("copy part")
	if asked == 0 || asked > partsAtOnce {
		t.Errorf("asked %d times", asked)
	}
	r.settle()
	data = slices.Concat(data, []byte("more"))
	r.write("log", data)
	r.mustDo(Upload, "log")
	r.holds("log", data)
	if got := r.store.count("copy part"); got != asked {
		t.Errorf("asked %d times more", got-asked)
	}
}

// A copy whose bytes are not what the object's sums said never becomes the
// object, and the next attempt sends the file.
func TestGrowDamagedCopy(t *testing.T) {
	r := newRig(t, Options{})
	data := r.grown(pattern(growParts*testPart, 5), 10)
	o := r.store.objects["k/log"]
	o.data = slices.Clone(o.data)
	o.data[5*testPart] ^= 1 // under the same ETag
	r.store.objects["k/log"] = o
	r.store.silent = true
	r.store.stored = func(key string, got []byte) {
		if key == "k/log" && !slices.Equal(got, data) {
			t.Errorf("an object of %d bytes was made that is not the file", len(got))
		}
	}
	if res := r.do(Upload, "log"); !errors.Is(res.Err, ErrMismatch) {
		t.Fatalf("%+v, want ErrMismatch", res)
	}
	r.mustDo(Upload, "log")
	r.holds("log", data)
}

// A crash in the middle loses neither what was copied nor what was sent.
func TestGrowResume(t *testing.T) {
	r := newRig(t, Options{})
	data := r.grown(pattern(growParts*testPart, 6), 2*testPart)
	r.store.fault = func(op string, _ bool) error {
		if op == "complete" {
			return context.Canceled
		}
		return nil
	}
	if res := r.do(Upload, "log"); !errors.Is(res.Err, context.Canceled) {
		t.Fatalf("interrupted: %v", res.Err)
	}
	r.restart()
	if res := r.mustDo(Upload, "log"); res.Bytes != 0 || r.store.count("copy part") != 0 {
		t.Errorf("%d bytes more, calls %v", res.Bytes, r.store.calls)
	}
	r.holds("log", data)
}

// What is known of the parts survives a touch and a rename.
func TestGrowAfterTouchAndRename(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(growParts*testPart, 8)
	r.write("a", data)
	r.mustDo(Upload, "a")
	r.settle()
	r.age("a")
	if res := r.mustDo(Upload, "a"); res.Action != Touch {
		t.Fatalf("%+v, want a touch", res)
	}
	r.settle()
	must(t, os.Rename(r.path("a"), r.path("log")))
	e := r.store.entries["a"]
	j := r.job(Copy, "log")
	j.Known, j.From, j.FromKey = &e, "a", "k/a"
	if res := r.u.do(t.Context(), j); res.Err != nil || res.Action != Copy {
		t.Fatalf("%+v, want a copy", res)
	}
	r.settle()
	data = slices.Concat(data, []byte("more"))
	r.write("log", data)
	clear(r.store.calls)
	r.mustDo(Upload, "log")
	r.holds("log", data)
	if got := r.store.count("copy part"); got != growParts {
		t.Errorf("calls %v, want %d parts copied", r.store.calls, growParts)
	}
}

// Sums of parts that a base cannot have are never used.
func TestBaseHolds(t *testing.T) {
	b := &base{sums: state.Sums{Size: 250, PartSize: 100, Parts: []uint64{1, 2, 3}}}
	for _, tt := range []struct {
		number int
		crc    uint64
		want   bool
	}{{1, 1, true}, {2, 2, true}, {2, 1, false}, {3, 3, false}, {4, 3, false}} {
		if got := b.holds(tt.number, tt.crc); got != tt.want {
			t.Errorf("holds(%d, %d) = %t", tt.number, tt.crc, got)
		}
	}
	if (*base)(nil).holds(1, 1) {
		t.Error("no base holds a part")
	}
}
