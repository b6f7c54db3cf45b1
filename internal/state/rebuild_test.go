package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	lib "modernc.org/sqlite/lib"
)

// TestRebuildFullAtTheEnd has the disk full for the last step of a rebuild, when
// the roots in use get their rows. The new index is not used before that is done
// and whoever froze the deletions was told.
func TestRebuildFullAtTheEnd(t *testing.T) {
	d := newDisk(t)
	told := 0
	db := open(t, t.TempDir(), Options{vfs: d.name, OnRebuild: func() { told++ }})
	a := openRoot(t, db, RootKey{Source: "/a", Bucket: "b", Prefix: "a/"})
	b := openRoot(t, db, RootKey{Source: "/b", Bucket: "b", Prefix: "b/"})
	record(t, a, "f", entry(1))
	record(t, b, "g", entry(2))
	if err := checkpoint(db.w.c); err != nil { // nobody writes
		t.Fatal(err)
	}
	if err := os.WriteFile(db.path(indexName), []byte("this is not an index"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.only.Store(indexName + "-wal")
	d.fail.Store(lib.SQLITE_FULL)
	if err := db.order(t.Context(), db.gen, errDamaged); err == nil {
		t.Fatal("rebuilt on a full disk")
	}
	if told != 0 {
		t.Error("told of an index that is not in use")
	}
	d.fail.Store(0)
	record(t, b, "h", entry(3)) // waits for the index
	if keys, err := db.Roots(t.Context()); len(keys) != 2 || err != nil || told != 1 {
		t.Errorf("Roots() = %v, %v; OnRebuild was called %d times", keys, err, told)
	}
	for _, r := range []*Root{a, b} {
		if doubted, err := r.Doubted(t.Context()); !doubted || err != nil {
			t.Errorf("%s: Doubted() = %t, %v", r.key.Source, doubted, err)
		}
	}
	closeDB(t, db)
	db = open(t, db.dir, Options{})
	b = openRoot(t, db, b.key)
	if e, err := b.Lookup(t.Context(), "h"); e == nil || err != nil {
		t.Errorf("Lookup of what was recorded: %v, %v after a restart", e, err)
	}
	if aside, err := filepath.Glob(db.path(asideName + "*")); len(aside) != 1 || err != nil {
		t.Errorf("set aside: %q, %v", aside, err)
	}
}

// TestExchangeFails has an exchange fail when the old index is set aside already:
// the next attempt goes on with what was made of it.
func TestExchangeFails(t *testing.T) {
	db := open(t, t.TempDir(), quick)
	r := openRoot(t, db, testKey)
	want := recordAll(t, r, files(100, 0))
	db.mu.Lock()
	db.lost, db.broken = db.w.views, errDamaged
	if err := db.closeFiles(); err != nil {
		t.Fatal(err)
	}
	report, err := db.build(errDamaged)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-shm", "-wal", ""} {
		if err := os.Rename(db.path(indexName)+suffix, report.SetAside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	db.made = report
	db.mu.Unlock()
	record(t, r, "new", entry(7)) // has it tried again
	want["new"] = entry(7)
	wantAll(t, r.View, want)
}
