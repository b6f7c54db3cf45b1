package upload

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
)

func TestSmall(t *testing.T) {
	for _, size := range []int{0, 1, 5000, testPart} {
		r := newRig(t, Options{})
		data := pattern(size, 1)
		r.target.Object = Properties{Preserve: true, Metadata: map[string]string{"a": "b"}, StorageClass: "IA"}
		r.write("d/f.txt", data)
		res := r.mustDo(Upload, "d/f.txt")
		r.holds("d/f.txt", data)
		if res.Action != Upload || res.Bytes != int64(size) || res.Entry == nil {
			t.Errorf("%d bytes: result %+v", size, res)
		}
		if got := r.store.count("put", "head", "create"); got != 1 {
			t.Errorf("%d bytes: %d requests, want 1", size, got)
		}
		fi, err := os.Stat(r.path("d/f.txt"))
		must(t, err)
		mode := fmt.Sprintf("%04o", fi.Mode().Perm())
		h := r.store.objects["k/d/f.txt"].h
		if h.ContentType != "text/plain; charset=utf-8" || h.StorageClass != "IA" || h.Metadata["a"] != "b" ||
			h.Metadata[metaMode] != mode || h.Metadata[metaMTime] == "" {
			t.Errorf("header %+v", h)
		}
	}
}

func TestLarge(t *testing.T) {
	for _, size := range []int{testPart + 1, 3 * testPart, 5*testPart + 77} {
		r := newRig(t, Options{})
		data := pattern(size, 2)
		r.write("f", data)
		res := r.mustDo(Upload, "f")
		r.holds("f", data)
		if res.Bytes != int64(size) || res.Action != Upload {
			t.Errorf("%d bytes: result %+v", size, res)
		}
		if got, want := r.store.count("part"), (size+testPart-1)/testPart; got != want {
			t.Errorf("%d bytes: %d parts, want %d", size, got, want)
		}
	}
}

// The same bytes under a new version are not sent again.
func TestTouch(t *testing.T) {
	for _, size := range []int{0, 1000, 2*testPart + 5} {
		r := newRig(t, Options{})
		data := pattern(size, 3)
		r.write("f", data)
		first := r.mustDo(Upload, "f")
		before := r.store.count("put", "part", "create", "head", "complete", "parts")
		r.age("f")
		res := r.mustDo(Upload, "f")
		r.holds("f", data)
		if after := r.store.count("put", "part", "create", "head", "complete", "parts"); after != before {
			t.Errorf("%d bytes: %d requests for a touched file", size, after-before)
		}
		if res.Action != Touch || res.Bytes != 0 || res.Entry.MTime == first.Entry.MTime {
			t.Errorf("%d bytes: result %+v", size, res)
		}
	}
}

// An entry that was taken from a listing is worth one question to the object.
func TestAssumed(t *testing.T) {
	for _, size := range []int{1000, 2 * testPart} {
		r := newRig(t, Options{})
		data := pattern(size, 4)
		r.write("f", data)
		r.store.keep("k/f", data, Header{})
		r.store.entries["f"] = state.Entry{Version: state.Version{Size: int64(size)}, Assumed: true}
		res := r.mustDo(Upload, "f")
		r.holds("f", data)
		if res.Action != Touch || res.Entry.Assumed || r.store.count("head") != 1 || r.store.count("put", "part") != 0 {
			t.Errorf("same object: %+v, calls %v", res, r.store.calls)
		}
		other := pattern(size, 5)
		r.store.keep("k/f", other, Header{})
		r.store.entries["f"] = state.Entry{Version: state.Version{Size: int64(size)}, Assumed: true}
		if res := r.mustDo(Upload, "f"); res.Action != Upload {
			t.Errorf("other object: %+v", res)
		}
		r.holds("f", data)
	}
}

// An entry of a snapshot tells what was put once. Its ETag is right, and still the
// object may be another one by now.
func TestAssumedOfSnapshot(t *testing.T) {
	r := newRig(t, Options{})
	was, is := pattern(100, 1), pattern(100, 2)
	r.write("f", was)
	r.store.keep("k/f", is, Header{}) // the index has lost that
	j := r.job(Upload, "f")
	old := j.Version
	old.MTime--
	j.Known = &state.Entry{Version: old, CRC64: checksum(was), ETag: strings.ToUpper(md5sum(was)), Key: "k/f", Uploaded: time.Now(), Assumed: true}
	if res := r.u.do(t.Context(), j); res.Err != nil || res.Action != Upload {
		t.Errorf("result %+v, want an upload", res)
	}
	r.holds("f", was)
}

// A key that changes, as one with a date in it does, is another object.
func TestOtherKey(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(100, 6)
	r.write("f", data)
	r.mustDo(Upload, "f")
	r.store.entries["f"] = func(e state.Entry) state.Entry { e.Key = "k/old/f"; return e }(r.store.entries["f"])
	if res := r.mustDo(Upload, "f"); res.Action != Upload {
		t.Errorf("result %+v, want an upload", res)
	}
	r.holds("f", data)
}

// A large file that is cut before its turn comes is a small one.
func TestCutWhileWaiting(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", pattern(3*testPart, 1))
	j := r.job(Upload, "f")
	must(t, os.Truncate(r.path("f"), 0))
	res := r.u.do(t.Context(), j)
	if res.Err != nil || r.store.count("create") != 0 || r.store.count("put") != 1 {
		t.Errorf("err %v, create %d, put %d; want one put", res.Err, r.store.count("create"), r.store.count("put"))
	}
}

func TestVanished(t *testing.T) {
	r := newRig(t, Options{})
	if res := r.do(Upload, "f"); !errors.Is(res.Err, ErrVanished) {
		t.Errorf("missing file: %v, want ErrVanished", res.Err)
	}
	// An upload that was begun for it is aborted.
	r.write("f", pattern(3*testPart, 8))
	r.store.fault = func(op string, _ bool) error {
		if op == "complete" {
			return &RequestError{Class: ThisJob, Status: 403}
		}
		return nil
	}
	if res := r.do(Upload, "f"); !errors.Is(res.Err, ThisJob) || len(r.store.pending) != 1 {
		t.Fatalf("refused completion: %v, uploads %v", res.Err, r.store.pending)
	}
	r.store.fault = nil
	j := r.job(Upload, "f")
	os.Remove(r.path("f"))
	if res := r.u.do(t.Context(), j); !errors.Is(res.Err, ErrVanished) {
		t.Errorf("vanished file: %v, want ErrVanished", res.Err)
	}
	if len(r.store.pending) > 0 || len(r.store.plans) > 0 {
		t.Errorf("left over: %v, %v", r.store.pending, r.store.plans)
	}
}

func TestHeader(t *testing.T) {
	p := &Properties{ContentTypes: map[string]string{".log": "text/x-log"}, CacheControl: "no-store", Tags: map[string]string{"a": "b"}}
	want := Header{ContentType: "text/x-log", CacheControl: "no-store", Tags: map[string]string{"a": "b"}}
	if diff := cmp.Diff(want, p.header("d.d/X.LOG", info{})); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"a.HTML": "text/html; charset=utf-8", "a.tar.gz": "application/gzip", "README": "application/octet-stream",
		"d.txt/x": "application/octet-stream", "a.parquet": "application/vnd.apache.parquet",
	} {
		if got := ContentType(name); got != want {
			t.Errorf("ContentType(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestRequestError(t *testing.T) {
	err := error(&RequestError{Op: "put", Key: "k", Class: ThisJob, Status: 403, Code: "AccessDenied", EC: "0003", RequestID: "R", Err: errors.New("no")})
	if got, want := err.Error(), "put k: AccessDenied: no (request R, EC 0003)"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, ThisJob) || errors.Is(err, Transient) {
		t.Error("Is does not tell the class")
	}
}

func TestPartSize(t *testing.T) {
	for _, file := range []int64{1, 8 << 20, 80 << 30, 100 << 30, 1 << 40, largestFile} {
		size := partSize(file, 8<<20)
		if n := (file + size - 1) / size; n > mostParts || size < leastPart || size > largestPart {
			t.Errorf("%d bytes: %d parts of %d", file, n, size)
		}
	}
	r := newRig(t, Options{Memory: 4 * testPart})
	f, err := os.Create(r.path("huge"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(5 * testPart * mostParts); err != nil {
		t.Fatal(err)
	}
	f.Close()
	res := r.do(Upload, "huge")
	if e, ok := errors.AsType[*FileError](res.Err); !ok {
		t.Errorf("file that needs larger parts than there is memory: %v, want a FileError", res.Err)
	} else if r.store.count("create") > 0 {
		t.Errorf("an upload was begun in spite of %v", e)
	}
}
