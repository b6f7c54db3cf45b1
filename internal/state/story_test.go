package state

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUploads(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	ctx := t.Context()
	u := Upload{ID: "ID-1", Key: "in/a/big", Version: entry(7).Version, PartSize: 8 << 20, Began: noon}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(path string, want *Upload) {
		t.Helper()
		got, err := r.Uploads().Get(ctx, path)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Get(%q): %v (-want +got):\n%s", path, err, diff)
		}
	}
	must(r.Uploads().Begin(ctx, "a/big", u))
	want("a/big", &u)
	want("a/other", nil)
	for _, n := range []int{3, 1, 10_000, 3} {
		must(r.Uploads().AddPart(ctx, "a/big", Part{Number: n, Size: int64(n), CRC64: ^uint64(n), ETag: "E"}))
	}
	must(r.Uploads().AddPart(ctx, "a/other", Part{Number: 1}))
	u.Parts = []Part{{1, 1, ^uint64(1), "E"}, {3, 3, ^uint64(3), "E"}, {10_000, 10_000, ^uint64(10_000), "E"}}
	want("a/big", &u)

	closeDB(t, db)
	db = open(t, dir, Options{})
	r = openRoot(t, db, testKey)
	want("a/big", &u)
	if paths, err := r.UploadPaths(ctx); !slices.Equal(paths, []string{"a/big"}) || err != nil {
		t.Errorf("UploadPaths() = %q, %v", paths, err)
	}

	again := Upload{ID: "ID-2", Key: "k", PartSize: 1, Began: noon, Parts: []Part{{Number: 2, ETag: "F"}}}
	must(r.Uploads().Begin(ctx, "a/big", again))
	want("a/big", &again)
	record(t, r, "a/big", entry(1)) // ends the upload
	want("a/big", nil)
	must(r.Uploads().Begin(ctx, "a/big", again))
	must(r.Uploads().Drop(ctx, "a/big"))
	want("a/big", nil)
	if n := rows(t, db, "parts"); n != 0 {
		t.Errorf("%d parts are left over", n)
	}
}

func rows(t testing.TB, db *DB, table string) (n int64) {
	t.Helper()
	err := db.read(t.Context(), func(c *conn) (err error) {
		n, err = c.number(t.Context(), "SELECT count(*) FROM "+table)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	ctx := t.Context()
	a := Failure{Path: "a/x", Err: "put: access denied", Tries: 3, Since: noon, Due: noon.Add(time.Minute)}
	b := Failure{Path: "b\xff", Err: "open: permission denied", Tries: 1, Since: noon}
	for _, f := range []Failure{{Path: "a/x", Err: "first"}, b, a, {Path: "c", Err: "e"}, {Path: "d", Err: "e"}} {
		if err := r.Fail(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	record(t, r, "c", entry(1))
	if err := r.Forget(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	r = openRoot(t, open(t, dir, Options{}), testKey)
	got, err := r.Failures(ctx)
	if diff := cmp.Diff([]Failure{a, b}, got); diff != "" || err != nil {
		t.Errorf("Failures: %v (-want +got):\n%s", err, diff)
	}
	if n, err := r.FailureCount(ctx); n != 2 || err != nil {
		t.Errorf("FailureCount() = %d, %v", n, err)
	}
	if f, err := r.Failure(ctx, "a/x"); f == nil || *f != a || err != nil {
		t.Errorf("Failure(a/x) = %v, %v", f, err)
	}
	record(t, r, "a/x", entry(1)) // known from before the restart
	if f, err := r.Failure(ctx, "a/x"); f != nil || err != nil {
		t.Errorf("Failure(a/x) = %v, %v, want none", f, err)
	}
}

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	ctx := t.Context()
	if _, ok, err := r.Identity(ctx); ok || err != nil {
		t.Errorf("Identity() of a new root is set, %v", err)
	}
	if ok, err := r.Verified(ctx); ok || err != nil {
		t.Errorf("Verified() of a new root = %v, %v", ok, err)
	}
	id := Identity{Device: 1 << 63, FileID: FileID{2, 3}}
	if err := errors.Join(r.SetIdentity(ctx, id), r.SetVerified(ctx, true)); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	r = openRoot(t, open(t, dir, Options{}), testKey)
	if got, ok, err := r.Identity(ctx); got != id || !ok || err != nil {
		t.Errorf("Identity() = %v, %v, %v, want %v", got, ok, err, id)
	}
	if ok, err := r.Verified(ctx); !ok || err != nil {
		t.Errorf("Verified() = %v, %v, want true", ok, err)
	}
}
