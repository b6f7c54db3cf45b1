package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordForget(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	want := map[string]Entry{}
	for i, path := range []string{
		"top", "a/b", "a/c", "a-b/c", "a/b/c/d", "a.b", "a/é", "a/\xff\xfe", "\xff/\xff", "\xff\xff\xff\xff\xff\xff/x",
		"a b?c%d#e/f", "0", "a0/x", "日本/語", strings.Repeat("d/", 500) + strings.Repeat("n", 255),
	} {
		e := entry(i + 1)
		record(t, r, path, e)
		want[path] = e
	}
	wantAll(t, r.View, want)

	e := entry(99)
	e.Key, e.Racy, e.ETag, e.FileID[1] = "elsewhere/\xff", true, "0123456789abcdef0123456789ABCDEF-7", 5
	record(t, r, "a/b", e)
	want["a/b"] = e
	for _, path := range []string{"a/c", "top", "never/was", "a/never"} {
		if err := r.Forget(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		delete(want, path)
	}
	wantAll(t, r.View, want)

	other := openRoot(t, db, RootKey{Source: testKey.Source, Bucket: "other"})
	wantAll(t, other.View, map[string]Entry{})
	closeDB(t, db)

	db = open(t, dir, Options{})
	wantAll(t, openRoot(t, db, testKey).View, want)
	keys, err := db.Roots(t.Context())
	if diff := cmp.Diff([]RootKey{testKey, {Source: testKey.Source, Bucket: "other"}}, keys); diff != "" || err != nil {
		t.Errorf("Roots: %v (-want +got):\n%s", err, diff)
	}
}

func TestBadPaths(t *testing.T) {
	r := openRoot(t, open(t, t.TempDir(), Options{}), testKey)
	for _, path := range []string{"", "/a", "a/", "a\x00b"} {
		if err := r.Record(t.Context(), path, entry(1)); err == nil {
			t.Errorf("Record(%q) succeeded", path)
		}
		if _, err := r.Lookup(t.Context(), path); err == nil {
			t.Errorf("Lookup(%q) succeeded", path)
		}
	}
}

// TestModel compares the index with a map through many random changes.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, quick)
	r := openRoot(t, db, testKey)
	want := map[string]Entry{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		path := fmt.Sprintf("d%d/", rnd.IntN(4))[rnd.IntN(2)*3:] + fmt.Sprintf("e%d/f%d", rnd.IntN(5), rnd.IntN(8))
		switch {
		case rnd.IntN(500) == 0:
			closeDB(t, db)
			db = open(t, dir, quick)
			r = openRoot(t, db, testKey)
		case rnd.IntN(3) == 0:
			if err := r.Forget(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			delete(want, path)
		default:
			want[path] = entry(i)
			record(t, r, path, want[path])
		}
	}
	wantAll(t, r.View, want)

	below := map[string]map[string]bool{"": {}}
	for path := range want {
		dirs := strings.Split(path, "/")
		for i := range len(dirs) - 1 {
			parent := strings.Join(dirs[:i], "/")
			if below[parent] == nil {
				below[parent] = map[string]bool{}
			}
			below[parent][dirs[i]] = true
		}
	}
	for parent, names := range below {
		got, err := r.Dirs(t.Context(), parent)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(names)), got); diff != "" || err != nil {
			t.Errorf("Dirs(%q): %v (-want +got):\n%s", parent, err, diff)
		}
	}
	wantNoGarbage(t, db)
}

// wantNoGarbage checks that every directory's row has a file.
func wantNoGarbage(t testing.TB, db *DB) {
	t.Helper()
	n := int64(-1)
	err := db.read(t.Context(), func(c *conn) (err error) {
		n, err = c.number(t.Context(), "SELECT count(*) FROM dirs d WHERE NOT EXISTS (SELECT 1 FROM files f WHERE f.dir=d.id)")
		return err
	})
	if n != 0 || err != nil {
		t.Errorf("%d directories without a file, %v", n, err)
	}
}

func TestFilesPages(t *testing.T) {
	r := openRoot(t, open(t, t.TempDir(), quick), testKey)
	var all []Located
	for i := range 1200 {
		all = append(all, Located{fmt.Sprintf("d/%05d", i), entry(i)}, Located{fmt.Sprintf("d/sub/%d", i%3), entry(i)})
	}
	if err := r.RecordAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{500, 600, 1199, 1200, 1201, 0} {
		after, n := "", 0
		for {
			page, err := r.Files(t.Context(), "d", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range page {
				if want := fmt.Sprintf("%05d", n); f.Name != want || f.Entry != entry(n) {
					t.Fatalf("limit %d: file %d is %q, %v", limit, n, f.Name, f.Entry)
				}
				n, after = n+1, f.Name
			}
			if limit == 0 || len(page) < limit {
				break
			}
		}
		if n != 1200 {
			t.Errorf("limit %d: %d files", limit, n)
		}
	}
	if page, err := r.Files(t.Context(), "no/such", "", 10); len(page) != 0 || err != nil {
		t.Errorf("Files of nothing = %v, %v", page, err)
	}
}

// TestWalkLargeDirectory goes through directories larger than a page.
func TestWalkLargeDirectory(t *testing.T) {
	r := openRoot(t, open(t, t.TempDir(), quick), testKey)
	var all []Located
	want := map[string]Entry{}
	for i := range 2*pageMax + 100 {
		for _, dir := range []string{"", "a/"} {
			l := Located{fmt.Sprintf("%s%05d", dir, i), entry(i)}
			all = append(all, l)
			want[l.Path] = l.Entry
		}
	}
	all = append(all, Located{"b/x", entry(1)})
	want["b/x"] = entry(1)
	if err := r.RecordAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, r.View); !maps.Equal(got, want) {
		t.Errorf("walk gave %d entries, want %d, or others", len(got), len(want))
	}
	stop := errors.New("enough")
	if err := r.Walk(t.Context(), func(string, *Entry) error { return stop }); err != stop {
		t.Errorf("Walk = %v, want what its function returned", err)
	}
}

func TestAssumedDoesNotReplace(t *testing.T) {
	r := openRoot(t, open(t, t.TempDir(), Options{}), testKey)
	assumed := func(n int) Entry { e := entry(n); e.Assumed = true; return e }
	record(t, r, "verified", entry(1))
	record(t, r, "guessed", assumed(2))
	err := r.RecordAll(t.Context(), []Located{{"verified", assumed(3)}, {"guessed", assumed(4)}, {"new", assumed(5)}})
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, r.View, map[string]Entry{"verified": entry(1), "guessed": assumed(4), "new": assumed(5)})
	record(t, r, "guessed", entry(6))
	wantAll(t, r.View, map[string]Entry{"verified": entry(1), "guessed": entry(6), "new": assumed(5)})
}

func TestDigests(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	ctx := t.Context()
	for _, path := range []string{"x", "a/x", "b/x", "b/y", "c/x"} {
		record(t, r, path, entry(1))
	}
	for i, d := range []string{"", "a", "b", "c", "nothing"} {
		if err := r.SetDigest(ctx, d, ^uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(v *View, want map[string]uint64) {
		t.Helper()
		got := map[string]uint64{}
		err := v.Digests(ctx, func(dir string, digest uint64) error { got[dir] = digest; return nil })
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Digests: %v (-want +got):\n%s", err, diff)
		}
	}
	if err := db.flush(ctx, r.View); err != nil {
		t.Fatal(err)
	}
	want(r.View, map[string]uint64{"": ^uint64(0), "a": ^uint64(1), "b": ^uint64(2), "c": ^uint64(3)})
	record(t, r, "a/x", entry(2))
	if err := r.Forget(ctx, "b/x"); err != nil {
		t.Fatal(err)
	}
	want(r.View, map[string]uint64{"": ^uint64(0), "c": ^uint64(3)})
	closeDB(t, db)
	db = open(t, dir, Options{})
	r = openRoot(t, db, testKey)
	want(r.View, map[string]uint64{"": ^uint64(0), "c": ^uint64(3)})

	// The next one above a new directory is in order no more, if it is not new
	// itself; those above it know the way.
	record(t, r, "c/x", entry(1)) // the same, which is a change all the same
	want(r.View, map[string]uint64{"": ^uint64(0)})
	for _, tt := range []struct {
		path string
		want map[string]uint64
	}{
		{"c/n/m/x", map[string]uint64{"": 1, "a": 3}},
		{"c/n/k/x", map[string]uint64{"": 1, "a": 3}},
		{"a/y", map[string]uint64{"": 1, "c": 2}},
		{"e/f/x", map[string]uint64{"a": 3, "c": 2}},
		{"e/g/x", map[string]uint64{"a": 3, "c": 2}},
		{"e/x", map[string]uint64{"a": 3, "c": 2}},
		{"e/h/x", map[string]uint64{"": 1, "a": 3, "c": 2}},
	} {
		for d, digest := range map[string]uint64{"": 1, "c": 2, "a": 3} {
			if err := r.SetDigest(ctx, d, digest); err != nil {
				t.Fatal(err)
			}
		}
		record(t, r, tt.path, entry(1))
		t.Log(tt.path)
		want(r.View, tt.want)
	}
}

func TestContext(t *testing.T) {
	db := open(t, t.TempDir(), Options{})
	r := openRoot(t, db, testKey)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Record(ctx, "x", entry(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Record = %v, want canceled", err)
	}
	if _, err := r.Lookup(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup = %v, want canceled", err)
	}
	closeDB(t, db)
	if err := r.Record(t.Context(), "x", entry(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Record after Close = %v, want ErrClosed", err)
	}
	if _, err := r.Lookup(t.Context(), "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("Lookup after Close = %v, want ErrClosed", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}
