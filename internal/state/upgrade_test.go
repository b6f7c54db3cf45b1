package state

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// later are the migrations of a release to come.
func later() []string {
	return append(slices.Clone(migrations[:]),
		"ALTER TABLE dirs ADD COLUMN extra INTEGER NOT NULL DEFAULT 7;",
		"CREATE TABLE more(id INTEGER PRIMARY KEY) STRICT; INSERT INTO more VALUES(42);")
}

// contents returns every file of a directory but the lock.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(e.Name()) != ".lock" {
			all[e.Name()] = string(b)
		}
	}
	return all
}

// TestUpgradeAndDowngrade opens an index with a later release, which knows what
// was in it, and again with this one, which refuses and changes nothing.
func TestUpgradeAndDowngrade(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		t.Run(fmt.Sprint("crashed ", crashed), func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir, Options{})
			record(t, openRoot(t, db, testKey), "x", entry(1))
			closeDB(t, db)
			if crashed {
				edit(t, dir, "UPDATE meta SET v=0 WHERE k='clean'")
			}

			steps := later()
			db = open(t, dir, Options{steps: steps})
			if r := db.Rebuilt(); r != nil {
				t.Fatalf("rebuilt: %+v", r)
			}
			root := openRoot(t, db, testKey)
			if e, err := root.Lookup(t.Context(), "x"); err != nil || e == nil || *e != entry(1) {
				t.Errorf("Lookup = %v, %v", e, err)
			}
			record(t, root, "y", entry(2))
			for query, want := range map[string]int64{
				"PRAGMA user_version": int64(len(steps)), "SELECT id FROM more": 42, "SELECT sum(extra) FROM dirs": 7,
			} {
				if got, err := db.w.c.number(t.Context(), query); got != want || err != nil {
					t.Errorf("%s = %d, %v, want %d", query, got, err, want)
				}
			}
			closeDB(t, db)

			before := contents(t, dir)
			for range 2 {
				_, err := Open(t.Context(), dir, Options{})
				newer, ok := errors.AsType[*NewerError](err)
				if !ok || newer.Found != len(steps) || newer.Known != len(migrations) {
					t.Fatalf("Open = %v, want a NewerError", err)
				}
			}
			if after := contents(t, dir); !maps.Equal(before, after) {
				t.Errorf("files changed: %q before, %q after", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
			}
			closeDB(t, open(t, dir, Options{steps: steps})) // the later one goes on
		})
	}
}

// TestUpgradeRebuilds damages an index of this release: what a later one makes of
// it has the later format.
func TestUpgradeRebuilds(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	record(t, openRoot(t, db, testKey), "x", entry(1))
	closeDB(t, db)
	edit(t, dir, "UPDATE meta SET v=v+1 WHERE k='schema'")
	db = open(t, dir, Options{steps: later()})
	if r := db.Rebuilt(); r == nil || r.Salvaged != 1 {
		t.Errorf("rebuilt: %+v", r)
	}
	if got, err := db.w.c.number(t.Context(), "PRAGMA user_version"); got != int64(len(later())) || err != nil {
		t.Errorf("format %d, %v", got, err)
	}
}

// TestMigrationFails has the second of two migrations fail: the next release,
// which mends it, goes on from the first.
func TestMigrationFails(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	record(t, openRoot(t, db, testKey), "x", entry(1))
	closeDB(t, db)
	steps := later()
	broken := append(slices.Clone(steps[:len(steps)-1]), steps[len(steps)-1]+"INSERT INTO no_such_table VALUES(1);")
	if _, err := Open(t.Context(), dir, Options{steps: broken}); err == nil {
		t.Fatal("a migration that fails is no error")
	}
	db = open(t, dir, Options{steps: steps})
	if e, err := openRoot(t, db, testKey).Lookup(t.Context(), "x"); err != nil || e == nil || db.Rebuilt() != nil {
		t.Errorf("Lookup = %v, %v, rebuilt %+v", e, err, db.Rebuilt())
	}
}
