package state

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testKey = RootKey{Source: "/srv/outbox", Bucket: "bucket", Prefix: "in/"}

// noon is a time that survives being kept to the millisecond.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// quick is for tests that are about anything but durability.
var quick = Options{pragmas: "_pragma=synchronous(OFF)"}

func open(t testing.TB, dir string, opt Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openRoot(t testing.TB, db *DB, key RootKey) *Root {
	t.Helper()
	r, err := db.Root(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// closeDB closes an index before the test ends, to look at it again.
func closeDB(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// entry makes an entry that is like no other.
func entry(n int) Entry {
	mtime := noon.UnixNano() + int64(n)
	return Entry{
		Version:  Version{Size: int64(n), MTime: mtime, CTime: mtime + 1234, FileID: FileID{uint64(1_000_000 + n)}},
		CRC64:    uint64(n) * 0x9e3779b97f4a7c15,
		ETag:     fmt.Sprintf("%032X", n),
		Uploaded: noon.Add(time.Duration(n) * time.Millisecond),
	}
}

func record(t testing.TB, r *Root, path string, e Entry) {
	t.Helper()
	if err := r.Record(t.Context(), path, e); err != nil {
		t.Fatal(err)
	}
}

// dump reads all that is known of a root by a walk.
func dump(t testing.TB, v *View) map[string]Entry {
	t.Helper()
	all := map[string]Entry{}
	err := v.Walk(t.Context(), func(path string, e *Entry) error {
		if _, twice := all[path]; twice {
			return errors.New("twice: " + path)
		}
		all[path] = *e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantAll checks that a root holds just these entries, by every way there is
// to read them, and that the counters say so.
func wantAll(t testing.TB, v *View, want map[string]Entry) {
	t.Helper()
	if diff := cmp.Diff(want, dump(t, v)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	var bytes int64
	for path, e := range want {
		bytes += e.Size
		got, err := v.Lookup(t.Context(), path)
		if err != nil || got == nil || *got != e {
			t.Errorf("Lookup(%q) = %v, %v, want %v", path, got, err, e)
		}
	}
	files, sum, err := v.Count(t.Context())
	if files != int64(len(want)) || sum != bytes || err != nil {
		t.Errorf("Count() = %d, %d, %v, want %d, %d", files, sum, err, len(want), bytes)
	}
}
