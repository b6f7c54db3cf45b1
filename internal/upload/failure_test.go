package upload

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Bytes that arrive damaged are sent again at once, and never recorded.
func TestMismatch(t *testing.T) {
	for _, size := range []int{1000, testPart + 1} {
		for damaged := 1; damaged <= 1+mismatches; damaged++ {
			r := newRig(t, Options{})
			data := pattern(size, 7)
			r.write("f", data)
			var left atomic.Int64
			left.Store(int64(damaged))
			r.store.corrupt = func(string) bool { return left.Add(-1) >= 0 || damaged > mismatches }
			res := r.do(Upload, "f")
			if damaged <= mismatches {
				if res.Err != nil {
					t.Fatal(res.Err)
				}
				r.holds("f", data)
				continue
			}
			if !errors.Is(res.Err, ErrMismatch) || !errors.Is(res.Err, Transient) || len(r.store.entries) > 0 {
				t.Errorf("always damaged: %v, entries %v", res.Err, r.store.entries)
			}
			r.store.corrupt = nil
			r.mustDo(Upload, "f")
			r.holds("f", data)
		}
	}
}

// An object that the server put together wrongly is not believed either, though
// each of its parts was right.
func TestMismatchOfWhole(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(3*testPart, 7)
	r.write("f", data)
	r.store.corrupt = func(op string) bool { return op == "complete" }
	if res := r.do(Upload, "f"); !errors.Is(res.Err, ErrMismatch) || len(r.store.entries) > 0 {
		t.Errorf("wrong whole: %v, entries %v", res.Err, r.store.entries)
	}
	r.store.corrupt = nil
	r.mustDo(Upload, "f")
	r.holds("f", data)
}

// A request whose answer was lost is recognised by what it did, not repeated.
func TestLostReply(t *testing.T) {
	for _, size := range []int{1000, 3 * testPart} {
		op := "put"
		if size > testPart {
			op = "complete"
		}
		r := newRig(t, Options{})
		data := pattern(size, 8)
		r.write("f", data)
		r.store.fault = func(got string, done bool) error {
			if got == op && done {
				return &RequestError{Op: op, Class: Transient, Err: errors.New("connection reset")}
			}
			return nil
		}
		res := r.mustDo(Upload, "f")
		r.holds("f", data)
		if r.store.count(op) != 1 || r.store.count("head") != 1 || res.Bytes != int64(size) {
			t.Errorf("%s: %+v, calls %v", op, res, r.store.calls)
		}
	}
}

// Every call can fail, or succeed without anybody hearing of it. However that
// is, repeating the job ends with the file in the bucket, and nothing else.
func TestFailEverywhere(t *testing.T) {
	failures := []struct {
		name string
		err  error
		lost bool // an upload that the server made may be unknown to us
	}{
		{"connection reset", &RequestError{Class: Transient, Err: errors.New("connection reset")}, false},
		{"throttled", &RequestError{Class: Transient, Status: 503, Code: "TotalQpsLimitExceeded"}, false},
		{"bad gateway", &RequestError{Class: Transient, Status: 502}, false},
		{"upload gone", &RequestError{Class: Missing, Status: 404}, true},
		{"invalid part", &RequestError{Class: Conflict, Status: 400, Code: "InvalidPart"}, true},
		{"disk full", errors.New("disk full"), false},
	}
	for _, f := range failures {
		for _, size := range []int{1000, 2*testPart + 1} {
			data := pattern(size, 9)
			for _, late := range []bool{false, true} {
				for n, more := 1, true; more; n++ {
					synctest.Test(t, func(t *testing.T) {
						more = failOnce(t, data, n, late, f.lost, f.err)
					})
					if t.Failed() {
						t.Fatalf("%s, %d bytes, late %t, call %d", f.name, size, late, n)
					}
				}
			}
		}
	}
}

// failOnce does a job whose n-th call fails, before or after it is carried out,
// until it ends well. It reports whether there was an n-th call.
func failOnce(t *testing.T, data []byte, n int, late, lost bool, failure error) bool {
	r := newRig(t, Options{Workers: 2})
	r.write("f", data)
	var calls atomic.Int64
	r.store.fault = func(op string, done bool) error {
		if done == late && calls.Add(1) == int64(n) {
			if op == "create" {
				lost = lost || late
			}
			return failure
		}
		return nil
	}
	err := r.do(Upload, "f").Err
	for tries := 1; err != nil && tries < 4; tries++ {
		err = r.do(Upload, "f").Err
	}
	if err != nil {
		t.Fatalf("never done: %v", err)
	}
	if lost {
		clear(r.store.pending)
	}
	r.holds("f", data)
	return calls.Load() >= int64(n)
}
