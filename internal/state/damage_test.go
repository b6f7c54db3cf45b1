package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files makes n files in directories of 30.
func files(n, version int) []Located {
	list := make([]Located, n)
	for i := range list {
		list[i] = Located{fmt.Sprintf("data/%04d/file-%06d.log", i/30, i), entry(i + version*1_000_000)}
	}
	return list
}

func recordAll(t testing.TB, r *Root, list []Located) map[string]Entry {
	t.Helper()
	if err := r.RecordAll(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	m := map[string]Entry{}
	for _, l := range list {
		m[l.Path] = l.Entry
	}
	return m
}

// TestBadRow damages one record: it is as if it were not there, its directory
// is looked at again, and the counters become right.
func TestBadRow(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, quick)
	r := openRoot(t, db, testKey)
	want := recordAll(t, r, files(90, 0))
	for _, d := range []string{"data/0000", "data/0001", "data/0002"} {
		if err := r.SetDigest(t.Context(), d, 5); err != nil {
			t.Fatal(err)
		}
	}
	closeDB(t, db)
	bad := []string{"data/0000/file-000007.log", "data/0001/file-000040.log", "data/0002/file-000060.log"}
	for _, path := range bad {
		edit(t, dir, "UPDATE files SET rec=x'01020304050607' WHERE name='"+filepath.Base(path)+"'"+
			" OR name=CAST('"+filepath.Base(path)+"' AS BLOB)")
		delete(want, path)
	}

	db = open(t, dir, quick)
	r = openRoot(t, db, testKey)
	if e, err := r.Lookup(t.Context(), bad[0]); e != nil || err != nil {
		t.Errorf("Lookup of a damaged row = %v, %v", e, err)
	}
	if list, err := r.Files(t.Context(), "data/0001", "", 0); len(list) != 29 || err != nil {
		t.Errorf("Files gave %d, %v, want 29", len(list), err)
	}
	if err := db.flush(t.Context(), r.View); err != nil { // the damaged rows are dropped
		t.Fatal(err)
	}
	var kept []string
	err := r.Digests(t.Context(), func(dir string, _ uint64) error { kept = append(kept, dir); return nil })
	if !slices.Equal(kept, []string{"data/0002"}) || err != nil {
		t.Errorf("digests are left of %v, %v", kept, err)
	}
	dump(t, r.View) // finds the third
	if err := db.flush(t.Context(), r.View); err != nil {
		t.Fatal(err)
	}
	wantAll(t, r.View, want)
	if n := r.BadRows(); n != 3 {
		t.Errorf("BadRows() = %d, want 3", n)
	}
	if n := rows(t, db, "files"); n != int64(len(want)) {
		t.Errorf("%d rows are left, want %d", n, len(want))
	}
	if db.Rebuilt() != nil {
		t.Error("an isolated damaged row had the index rebuilt")
	}
}

// TestRecordOverBadRow replaces damaged rows without having looked at them.
func TestRecordOverBadRow(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, quick)
	want := recordAll(t, openRoot(t, db, testKey), files(40, 0))
	closeDB(t, db)
	edit(t, dir, "UPDATE files SET rec=x'01' WHERE dir=(SELECT max(dir) FROM files)")
	db = open(t, dir, quick)
	r := openRoot(t, db, testKey)
	list := files(40, 1)
	for _, l := range list[30:] {
		record(t, r, l.Path, l.Entry)
		want[l.Path] = l.Entry
	}
	wantAll(t, r.View, want)
}

// TestSnapshot damages an index beyond what can be salvaged: what the snapshot
// has comes back as assumed, and nothing counts as verified.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, quick)
	r := openRoot(t, db, testKey)
	want := recordAll(t, r, files(500, 0))
	listed := Entry{Version: Version{Size: 42}, ETag: "OF THEN", Assumed: true}
	record(t, r, "listed", listed)
	listed.ETag = "" // it may be another object by now
	want["listed"] = listed
	id := Identity{Device: 7, FileID: FileID{8, 9}}
	if err := errors.Join(r.SetIdentity(t.Context(), id), r.SetVerified(t.Context(), true), db.Snapshot(t.Context())); err != nil {
		t.Fatal(err)
	}
	recordAll(t, r, files(600, 1)) // lost
	closeDB(t, db)
	if err := os.WriteFile(filepath.Join(dir, indexName), []byte("this is not an index"), 0o600); err != nil {
		t.Fatal(err)
	}

	db = open(t, dir, quick)
	r = openRoot(t, db, testKey)
	for path, e := range want {
		e.Assumed = true
		want[path] = e
	}
	wantAll(t, r.View, want)
	if ok, err := r.Verified(t.Context()); ok || err != nil {
		t.Errorf("Verified() = %v, %v after a rebuild", ok, err)
	}
	if got, ok, err := r.Identity(t.Context()); got != id || !ok || err != nil {
		t.Errorf("Identity() = %v, %v, %v", got, ok, err)
	}
	b := db.Rebuilt()
	if b == nil || b.Snapshot != 501 || b.Salvaged != 0 || b.Cause == "" {
		t.Fatalf("Rebuilt() = %+v", b)
	}
	if aside, err := os.ReadFile(b.SetAside); string(aside) != "this is not an index" || err != nil {
		t.Errorf("set aside was %q, %v", aside, err)
	}
	closeDB(t, db)

	db = open(t, dir, quick) // the freeze survives a restart
	r = openRoot(t, db, testKey)
	if again := db.Rebuilt(); again == nil || *again != (Rebuild{Time: moment(b.Time.UnixMilli()), Cause: b.Cause, SetAside: b.SetAside, Snapshot: 501}) {
		t.Errorf("Rebuilt() = %+v after a restart, want %+v", again, b)
	}
	if err := r.SetVerified(t.Context(), true); err != nil || db.Rebuilt() != nil {
		t.Errorf("Rebuilt() = %+v after all was verified, %v", db.Rebuilt(), err)
	}
	closeDB(t, db)
	if db = open(t, dir, quick); db.Rebuilt() != nil {
		t.Errorf("Rebuilt() = %+v after all was verified and a restart", db.Rebuilt())
	}
}

// TestMissing removes the index: it must not pass for a new one.
func TestMissing(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"removed":   os.Remove,
		"truncated": func(path string) error { return os.Truncate(path, 0) },
		"emptied":   func(path string) error { return errors.Join(os.Remove(path), emptyDatabase(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir, quick)
			if db.Rebuilt() != nil {
				t.Fatalf("a new index was rebuilt: %+v", db.Rebuilt())
			}
			r := openRoot(t, db, testKey)
			want := recordAll(t, r, files(50, 0))
			if err := db.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			closeDB(t, db)
			if err := damage(filepath.Join(dir, indexName)); err != nil {
				t.Fatal(err)
			}
			db = open(t, dir, quick)
			if b := db.Rebuilt(); b == nil || b.Snapshot != 50 {
				t.Fatalf("Rebuilt() = %+v", b)
			}
			if got := dump(t, openRoot(t, db, testKey).View); len(got) != len(want) {
				t.Errorf("%d entries, want %d", len(got), len(want))
			}
		})
	}
}

func emptyDatabase(path string) error {
	c, err := connect(path, "_pragma=user_version(0)")
	if err != nil {
		return err
	}
	return errors.Join(c.script(context.Background(), "CREATE TABLE t(x); DROP TABLE t"), c.close())
}

// TestDamageAtWork damages an index while it is in use. Whoever meets the
// damage, a reader or the committer, goes on with a new index.
func TestDamageAtWork(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	other := openRoot(t, db, RootKey{Source: "/other"})
	want := recordAll(t, r, files(1500, 0))
	record(t, other, "x", entry(1))
	if err := db.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.mu.Lock() // nobody reads
	if err := checkpoint(db.w.c); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, indexName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for page := int64(10); page < 35; page += 3 { // not in anyone's cache, as readers were not asked
		if _, err := f.WriteAt(make([]byte, 4096), page*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	db.mu.Unlock()

	got := dump(t, r.View) // meets it
	b := db.Rebuilt()
	if b == nil || b.Salvaged == 0 || b.Snapshot == 0 || b.Salvaged+b.Snapshot != 1501 {
		t.Fatalf("Rebuilt() = %+v", b)
	}
	for path, e := range got {
		w := want[path]
		w.Assumed = e.Assumed
		if e != w {
			t.Errorf("%s is %v, want %v", path, e, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	list := files(1600, 1)
	want = recordAll(t, r, list)
	wantAll(t, r.View, want)
	wantAll(t, other.View, dump(t, other.View))
	if n := len(dump(t, other.View)); n != 1 {
		t.Errorf("the other root has %d entries, want 1", n)
	}
	closeDB(t, db)
	db = open(t, dir, Options{})
	wantAll(t, openRoot(t, db, testKey).View, want)
}

// TestMend has no snapshot and an index whose first page is gone, which makes
// it no database at all: nothing may be lost, for no row is there.
func TestMend(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, quick)
	want := recordAll(t, openRoot(t, db, testKey), files(500, 0))
	closeDB(t, db)
	f, err := os.OpenFile(filepath.Join(dir, indexName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(strings.Repeat("garbage!", pageSize/8)), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, quick)
	if b := db.Rebuilt(); b == nil || b.Salvaged != 500 {
		t.Errorf("Rebuilt() = %+v", b)
	}
	wantAll(t, openRoot(t, db, testKey).View, want)
	if names, _ := filepath.Glob(filepath.Join(dir, newName+"*")); len(names) != 0 {
		t.Errorf("left over are %q", names)
	}
}

// TestAside keeps the last two damaged indexes.
func TestAside(t *testing.T) {
	dir := t.TempDir()
	var last []string
	for range 4 {
		closeDB(t, open(t, dir, quick))
		if err := os.WriteFile(filepath.Join(dir, indexName), []byte("nothing"), 0o600); err != nil {
			t.Fatal(err)
		}
		db := open(t, dir, quick)
		last = append(last, db.Rebuilt().SetAside)
		closeDB(t, db)
	}
	names, err := filepath.Glob(filepath.Join(dir, asideName+"*"))
	if err != nil || !slices.Equal(names, last[2:]) {
		t.Errorf("kept are %q, %v, want %q", names, err, last[2:])
	}
}

// TestExchangeCutShort leaves what a crash in the middle of a rebuild does.
func TestExchangeCutShort(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, quick)
	want := recordAll(t, openRoot(t, db, testKey), files(50, 0))
	closeDB(t, db)
	path := func(name string) string { return filepath.Join(dir, name) }
	// The old one is set aside already, the new one not yet in its place.
	if err := errors.Join(os.Rename(path(indexName), path(newName)), os.WriteFile(path(newName+tempSuffix), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, quick)
	wantAll(t, openRoot(t, db, testKey).View, want)
	closeDB(t, db)
	// The new one is complete, the old one not yet set aside.
	if err := os.WriteFile(path(newName), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, quick)
	wantAll(t, openRoot(t, db, testKey).View, want)
	if names, _ := filepath.Glob(path("index.new*")); len(names) != 0 {
		t.Errorf("left over are %q", names)
	}
}
