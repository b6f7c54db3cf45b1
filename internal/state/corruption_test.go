package state

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// corruptFiles is how many files the index has that TestCorruption damages.
const corruptFiles = 900

// TestCorruption damages an index, or its log, at random. Open must cope with
// it, and no row may be shown that was never recorded.
func TestCorruption(t *testing.T) {
	o := newOriginal(t)
	rnd := rand.New(rand.NewPCG(*seed, 5))
	outcome := map[string]int{}
	for trial := range *corruptions {
		dir, err := os.MkdirTemp(t.TempDir(), "trial")
		if err != nil {
			t.Fatal(err)
		}
		name := []string{indexName, indexName, indexName + walSuffix}[rnd.IntN(3)]
		if name == indexName {
			copyFiles(t, o.closed, dir) // a log would heal some pages
		} else {
			copyFiles(t, o.crashed, dir)
		}
		if trial%2 == 0 {
			os.Remove(filepath.Join(dir, snapName))
		}
		what := corrupt(t, dir, name, rnd)
		outcome[what+": "+o.inspect(t, dir, fmt.Sprintf("trial %d, %s", trial, what))]++
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(outcome)) {
		t.Logf("%4d %s", outcome[what], what)
	}
}

// An original is an index before it is damaged: its files as a crash and as
// Close left them, and what was recorded first and then.
type original struct {
	crashed, closed     string
	first, second, both map[string]Entry
}

func newOriginal(t *testing.T) *original {
	t.Helper()
	o := &original{crashed: t.TempDir(), closed: t.TempDir()}
	dir := t.TempDir()
	db := open(t, dir, quick)
	r := openRoot(t, db, testKey)
	o.first = recordAll(t, r, files(corruptFiles, 0))
	if err := errors.Join(db.Snapshot(t.Context()), checkpoint(db.w.c)); err != nil {
		t.Fatal(err)
	}
	o.second = recordAll(t, r, files(corruptFiles/2, 1)) // in the log
	o.both = maps.Clone(o.first)
	maps.Copy(o.both, o.second)
	copyFiles(t, dir, o.crashed)
	closeDB(t, db)
	copyFiles(t, dir, o.closed)
	return o
}

// inspect opens a damaged index and tells what became of it.
func (o *original) inspect(t *testing.T, dir, trial string) string {
	db, err := Open(t.Context(), dir, quick)
	if err != nil {
		t.Errorf("%s: %v", trial, err)
		return "refused"
	}
	defer db.Close()
	r := openRoot(t, db, testKey)
	got := dump(t, r.View)
	for path, e := range got {
		e.Assumed = false
		if e != o.first[path] && e != o.second[path] {
			t.Errorf("%s: %s is %v, which was never recorded", trial, path, e)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, snapName)); err == nil && db.Rebuilt() != nil && len(got) < corruptFiles {
		t.Errorf("%s: %d of %d rows in spite of a snapshot", trial, len(got), corruptFiles)
	}
	record(t, r, "after", entry(1))
	if e, err := r.Lookup(t.Context(), "after"); e == nil || *e != entry(1) {
		t.Errorf("%s: no use afterwards: %v, %v", trial, e, err)
	}
	switch {
	case db.Rebuilt() != nil:
		return "rebuilt"
	case db.BadRows() > 0:
		return "rows dropped"
	case maps.Equal(got, o.both):
		return "harmless"
	case len(got) < corruptFiles:
		return "rows hidden"
	}
	return "older state"
}

const walSuffix = "-wal"

// corrupt damages one file and tells how.
func corrupt(t *testing.T, dir, name string, rnd *rand.Rand) string {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var what string
	switch rnd.IntN(6) {
	case 0:
		what = "bit flipped"
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
	case 1:
		what = "page zeroed"
		at := rnd.IntN(len(b)/4096) * 4096
		clear(b[at : at+4096])
	case 2:
		what = "truncated"
		b = b[:rnd.IntN(len(b))]
	case 3:
		what = "sector of garbage"
		at := rnd.IntN(len(b)/512) * 512
		for i := range b[at : at+512] {
			b[at+i] = byte(rnd.Uint32())
		}
	case 4:
		what = "head of garbage"
		for i := range b[:64] {
			b[i] = byte(rnd.Uint32())
		}
	case 5:
		what = "bit of page 1 flipped"
		b[rnd.IntN(1500)] ^= 1 << rnd.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name + " " + what
}
