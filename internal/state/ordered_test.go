package state

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOrdered wants entries in the order of a bucket's keys, which is not that
// of directories: a slash sorts after some characters and before others.
func TestOrdered(t *testing.T) {
	db := open(t, t.TempDir(), quick)
	r := openRoot(t, db, testKey)
	paths := []string{
		"a", "a-b", "a.d/x", "a/b", "a/b-c/y", "a/b.c", "a/b/c", "a/b0", "a0", "a!/z", "ä/ö", "\xff/\xfe", "b/a/a/a/a", "b/a-/b", "b/a/a-/c",
	}
	for range 300 {
		var parts []string
		for range 1 + rand.IntN(4) {
			parts = append(parts, string("ab-./!0"[rand.IntN(3)])+string("-.!0ab"[rand.IntN(6)]))
		}
		paths = append(paths, strings.Join(parts, "/"))
	}
	for n := range 2*orderedPage + 1 { // more than one page, with a directory between every two
		paths = append(paths, fmt.Sprintf("large/%05d", n))
		if n%100 == 0 {
			paths = append(paths, fmt.Sprintf("large/%05d-/x", n))
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var files []Located
	for n, path := range paths {
		files = append(files, Located{path, entry(n)})
	}
	if err := r.RecordAll(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	var got []string
	for l, err := range r.Ordered(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if want := entry(slices.Index(paths, l.Path)); l.Entry != want {
			t.Errorf("%s: %+v, want %+v", l.Path, l.Entry, want)
		}
		got = append(got, l.Path)
	}
	if diff := cmp.Diff(paths, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for l := range r.Ordered(t.Context()) {
		if l.Path != paths[0] {
			t.Errorf("after a break: %s", l.Path)
		}
		break
	}
}

// TestDoubted follows a root through rebuilds: whatever is opened in an index
// that was made anew is in doubt until it is verified.
func TestDoubted(t *testing.T) {
	dir := t.TempDir()
	told := 0
	opt := Options{pragmas: quick.pragmas, OnRebuild: func() { told++ }}
	db := open(t, dir, opt)
	doubted := func(db *DB, key RootKey, want bool) *Root {
		t.Helper()
		r := openRoot(t, db, key)
		if got, err := r.Doubted(t.Context()); got != want || err != nil {
			t.Errorf("Doubted of %s = %t, %v, want %t", key.Source, got, err, want)
		}
		return r
	}
	r := doubted(db, testKey, false)
	record(t, r, "a", entry(1))
	if err := r.SetVerified(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := db.order(t.Context(), db.gen, errDamaged); err != nil {
		t.Fatal(err)
	}
	if told != 1 {
		t.Errorf("told of %d rebuilds, want 1", told)
	}
	r = doubted(db, testKey, true)
	if err := r.SetVerified(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	doubted(db, testKey, false)
	// It is not known whether the index held this one before.
	other := RootKey{Source: "/srv/other", Bucket: "bucket"}
	doubted(db, other, true)
	closeDB(t, db)

	// No index and no snapshot, where there was an index.
	if err := removeAll(filepath.Join(dir, indexName)); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, opt)
	if told != 2 {
		t.Errorf("told of %d rebuilds, want 2", told)
	}
	doubted(db, testKey, true)
}

// TestUsualKey wants the key stored only where it is not what the root's
// prefix and the path make of it.
func TestUsualKey(t *testing.T) {
	db := open(t, t.TempDir(), quick)
	r := openRoot(t, db, testKey)
	for key, want := range map[string]string{testKey.Prefix + "d/x": "", "": "", testKey.Prefix + "d/y": testKey.Prefix + "d/y", "d/x": "d/x"} {
		e := entry(1)
		e.Key = key
		record(t, r, "d/x", e)
		if e.Key != key {
			t.Errorf("Record changed its argument to %q", e.Key)
		}
		got, err := r.Lookup(t.Context(), "d/x")
		if err != nil || got.Key != want {
			t.Errorf("key %q was stored as %q, %v, want %q", key, got.Key, err, want)
		}
	}
}
