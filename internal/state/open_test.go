package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	cmd, out := child(t, "hold", dir)
	if line, err := out.ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	_, err := Open(t.Context(), dir, Options{})
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || locked.PID != cmd.Process.Pid {
		t.Fatalf("Open = %v, want a LockedError with pid %d", err, cmd.Process.Pid)
	}
	if want := fmt.Sprintf("process %d", cmd.Process.Pid); !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not say %q", err, want)
	}
	cmd.Process.Kill()
	cmd.Wait()
	db := open(t, dir, Options{})
	if _, err := Open(t.Context(), dir, Options{}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second Open in this process = %v, want a LockedError", err)
	}
	closeDB(t, db)
	closeDB(t, open(t, dir, Options{}))
}

// edit changes an index that is closed by SQL.
func edit(t testing.TB, dir, sql string) {
	t.Helper()
	c, err := connect(filepath.Join(dir, indexName), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.script(t.Context(), sql), c.close()); err != nil {
		t.Fatal(err)
	}
}

// SQLite only says that it cannot open a file. The user needs to know why.
func TestCannotOpen(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, indexName), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), dir, Options{})
	var path *fs.PathError
	if !errors.As(err, &path) || path.Path != filepath.Join(dir, indexName) {
		t.Errorf("Open of a directory: %v, want the system's reason", err)
	}
}

func TestNewer(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	record(t, openRoot(t, db, testKey), "x", entry(1))
	closeDB(t, db)
	edit(t, dir, fmt.Sprintf("PRAGMA user_version=%d; UPDATE meta SET v=%[1]d WHERE k='format'", len(migrations)+1))
	before, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), dir, Options{})
	newer, ok := errors.AsType[*NewerError](err)
	if !ok || newer.Found != len(migrations)+1 || newer.Known != len(migrations) {
		t.Errorf("Open = %v, want a NewerError", err)
	}
	if _, err := OpenReader(t.Context(), dir); !errors.As(err, &newer) {
		t.Errorf("OpenReader = %v, want a NewerError", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil || string(before) != string(after) {
		t.Errorf("the newer index was changed, %v", err)
	}
}

// TestMigrate takes an index one format further, and fails on the way to the next.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	record(t, openRoot(t, db, testKey), "x", entry(1))
	closeDB(t, db)

	steps := append(migrations[:], "ALTER TABLE dirs ADD COLUMN extra INTEGER NOT NULL DEFAULT 7;",
		"CREATE TABLE half(a); INSERT INTO no_such_table VALUES(1);")
	c, err := connect(filepath.Join(dir, indexName), asWriter)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	format := len(migrations)
	err = migrate(c, format, steps)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint("format ", format+2)) {
		t.Errorf("migrate = %v, want an error about format %d", err, format+2)
	}
	for query, want := range map[string]int64{
		"PRAGMA user_version":                            int64(format) + 1,
		"SELECT v FROM meta WHERE k='format'":            int64(format) + 1,
		"SELECT extra FROM dirs":                         7,
		"SELECT count(*) FROM files":                     1,
		"SELECT count(*) FROM pragma_table_list('half')": 0,
	} {
		if got, err := c.number(t.Context(), query); got != want || err != nil {
			t.Errorf("%s = %d, %v, want %d", query, got, err, want)
		}
	}
	if err := checkSchema(c); err != nil {
		t.Error(err)
	}
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{
		"3.51.3": true, "3.51.4": true, "3.54.1": true, "3.51.10": true, "4.0.0": true, "3.51.3.1": true,
		"3.51.2": false, "3.9.9": false, "3.51": false, "2.99.99": false, "": false, "3.x.9": false,
	} {
		if got := atLeast(version, minSQLite); got != want {
			t.Errorf("atLeast(%q, %q) = %v", version, minSQLite, got)
		}
	}
}

// TestPragmas asks a connection what it is set to: a pragma that SQLite does
// not understand is silently ignored.
func TestPragmas(t *testing.T) {
	db := open(t, t.TempDir(), Options{})
	want := map[string]int64{
		"synchronous": 2, "mmap_size": 0, "busy_timeout": 5000, "wal_autocheckpoint": 4000, "page_size": 4096,
		"journal_size_limit": 64 << 20, "cache_size": -8000, "cell_size_check": 1, "trusted_schema": 0,
	}
	got := map[string]int64{}
	for name := range want {
		n, err := db.w.c.number(t.Context(), "PRAGMA "+name)
		if err != nil {
			t.Fatal(err)
		}
		got[name] = n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writer (-want +got):\n%s", diff)
	}
	row, err := db.w.c.first(t.Context(), "PRAGMA journal_mode")
	if err != nil || text(row[0]) != "wal" {
		t.Errorf("journal_mode = %v, %v", row, err)
	}
	err = db.read(t.Context(), func(c *conn) error { return c.exec(t.Context(), "DELETE FROM meta") })
	if err == nil {
		t.Error("a reader's connection can write")
	}
}

// TestReader has another process write while this one reads.
func TestReader(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReader(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenReader of nothing = %v, want fs.ErrNotExist", err)
	}
	cmd, out := child(t, "write", dir, "0")
	if _, err := out.ReadString('\n'); err != nil { // it has recorded a file
		t.Fatal(err)
	}
	go out.WriteTo(io.Discard)
	var last int64
	for last < 500 {
		var sum int64
		for path, e := range readAll(t, dir) {
			sum += e.Size
			if e != entry(int(e.Size)) {
				t.Errorf("%s is %v, which was never recorded", path, e)
			}
		}
		if sum < last {
			t.Errorf("sizes sum up to %d after %d", sum, last)
		}
		last = sum
	}
	cmd.Process.Kill()
	cmd.Wait()

	// What a dead agent left can be read as well, and what a closed one did.
	left := readAll(t, dir)
	closeDB(t, open(t, dir, Options{}))
	if closed := readAll(t, dir); len(left) == 0 || !maps.Equal(left, closed) {
		t.Errorf("%d entries after a kill, %d after Close, or others", len(left), len(closed))
	}
}

// readAll opens an index for reading only and reads all of it.
func readAll(t *testing.T, dir string) map[string]Entry {
	t.Helper()
	r, err := OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if none, err := r.Root(t.Context(), RootKey{}); none != nil || err != nil {
		t.Errorf("Root of nothing = %v, %v", none, err)
	}
	if keys, err := r.Roots(t.Context()); !slices.Equal(keys, []RootKey{testKey}) || err != nil {
		t.Errorf("Roots() = %v, %v", keys, err)
	}
	v, err := r.Root(t.Context(), testKey)
	if err != nil || v == nil {
		t.Fatal(v, err)
	}
	if r.BadRows() != 0 || r.Rebuilt() != nil {
		t.Errorf("%d damaged rows, rebuilt: %v", r.BadRows(), r.Rebuilt())
	}
	return dump(t, v)
}

// TestClean follows the mark that tells whether an index was closed well.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	record(t, r, "x", entry(1))
	crashed := t.TempDir()
	copyFiles(t, dir, crashed)
	closeDB(t, db)

	if db := open(t, dir, Options{}); db.suspect.Load() || db.w.dirty {
		t.Error("an index that was closed is suspect")
	}
	large := Options{checkSize: 1} // so that it is not checked by Open
	other := t.TempDir()
	copyFiles(t, crashed, other)
	if db := open(t, crashed, Options{}); db.suspect.Load() || !db.w.dirty {
		t.Error("a small index was not checked by Open")
	}
	db = open(t, other, large)
	if err := db.Check(t.Context()); err != nil || db.suspect.Load() {
		t.Errorf("a large index is suspect after Check, %v", err)
	}
}

// TestWeekly opens an index that was last checked long ago.
func TestWeekly(t *testing.T) {
	dir := t.TempDir()
	closeDB(t, open(t, dir, quick))
	edit(t, dir, "UPDATE meta SET v=1 WHERE k='checked'")
	db := open(t, dir, quick)
	for last := int64(1); last == 1; {
		err := db.read(t.Context(), func(c *conn) (err error) {
			last, err = c.number(t.Context(), sqlMeta, metaChecked)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
