package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	lib "modernc.org/sqlite/lib"
)

// TestGroupCommit has many callers wait at once: they must share commits, and
// a lone one must not wait for others.
func TestGroupCommit(t *testing.T) {
	d := newDisk(t)
	db := open(t, t.TempDir(), Options{vfs: d.name})
	r := openRoot(t, db, testKey)
	before := d.syncs()
	record(t, r, "one", entry(1))
	if n := d.syncs() - before; n != 1 {
		t.Errorf("a lone record took %d syncs, want 1", n)
	}

	before = d.syncs()
	want := map[string]Entry{"one": entry(1)}
	const callers, each = 64, 10
	var wg sync.WaitGroup
	for c := range callers {
		for i := range each {
			want[fmt.Sprintf("d%d/f%d", c%4, c*each+i)] = entry(c*each + i)
		}
		wg.Go(func() {
			for i := range each {
				n := c*each + i
				if err := r.Record(t.Context(), fmt.Sprintf("d%d/f%d", c%4, n), entry(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantAll(t, r.View, want)
	if n := d.syncs() - before; n > callers*each/4 {
		t.Errorf("%d records took %d syncs: they were not committed together", callers*each, n)
	}
}

// TestGroupCommitWaits has changes come one after the other: where several came
// together before, they are waited for, and a lone one waits only once.
func TestGroupCommitWaits(t *testing.T) {
	d := newDisk(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, dir, Options{vfs: d.name})
		r := openRoot(t, db, testKey)
		recordAll(t, r, files(100, 0))
		before := d.syncs()
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * patienceEach)
				record(t, r, fmt.Sprintf("f%d", i), entry(i))
			})
		}
		wg.Wait()
		if n, took := d.syncs()-before, time.Since(begun); n != 1 || took > patience {
			t.Errorf("2 records took %d syncs and %v, want 1 and %v at most", n, took, patience)
		}
		record(t, r, "lone", entry(1))
		begun = time.Now()
		record(t, r, "lone", entry(2))
		if took := time.Since(begun); took > 0 {
			t.Errorf("a lone record waited %v", took)
		}
	})
}

// TestOrderWithinPath sends many changes of one path that end up in one batch.
func TestOrderWithinPath(t *testing.T) {
	db := open(t, t.TempDir(), quick)
	r := openRoot(t, db, testKey)
	var ops []*op
	for i := range 500 {
		for _, path := range []string{"b/x", "a/x", "x"} {
			e := entry(i)
			o, err := r.put(path, &e)
			if err != nil {
				t.Fatal(err)
			}
			drop := *o
			drop.change = dropEntry{}
			ops = append(ops, &drop, o)
		}
	}
	if err := db.submit(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	wantAll(t, r.View, map[string]Entry{"b/x": entry(499), "a/x": entry(499), "x": entry(499)})
}

// TestDiskTrouble lets the disk fail for a while: nothing is acknowledged
// meanwhile, reads go on, and all arrives once it works again.
func TestDiskTrouble(t *testing.T) {
	for name, rc := range map[string]int32{
		"full": lib.SQLITE_FULL, "write": lib.SQLITE_IOERR_WRITE, "sync": lib.SQLITE_IOERR_FSYNC,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			dir := t.TempDir()
			db := open(t, dir, Options{vfs: d.name})
			r := openRoot(t, db, testKey)
			want := map[string]Entry{"before": entry(1)}
			record(t, r, "before", entry(1))

			d.fail.Store(rc)
			ended := make(chan error, 100)
			for i := range cap(ended) {
				path := fmt.Sprintf("d/%d", i)
				want[path] = entry(i)
				go func() { ended <- r.Record(t.Context(), path, entry(i)) }()
			}
			for db.Trouble() == nil {
				time.Sleep(time.Millisecond)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := r.Forget(ctx, "no/such"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Forget = %v, want a deadline exceeded", err)
			}
			wantAll(t, r.View, map[string]Entry{"before": entry(1)})
			select {
			case err := <-ended:
				t.Fatalf("Record returned %v while the disk fails", err)
			default:
			}

			d.fail.Store(0)
			for range cap(ended) {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			if err := db.Trouble(); err != nil {
				t.Errorf("trouble is not over: %v", err)
			}
			wantAll(t, r.View, want)
			closeDB(t, db)
			wantAll(t, openRoot(t, open(t, dir, Options{}), testKey).View, want)
		})
	}
}

// TestCloseInTrouble closes an index that cannot be written: what waits fails,
// and what was acknowledged is there afterwards.
func TestCloseInTrouble(t *testing.T) {
	d := newDisk(t)
	dir := t.TempDir()
	db := open(t, dir, Options{vfs: d.name})
	r := openRoot(t, db, testKey)
	record(t, r, "before", entry(1))
	d.fail.Store(lib.SQLITE_FULL)
	ended := make(chan error, 1)
	go func() { ended <- r.Record(t.Context(), "lost", entry(2)) }()
	for db.Trouble() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := db.Close(); err == nil {
		t.Error("Close succeeded though the index could not be marked as closed")
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("Record = %v, want ErrClosed", err)
	}
	db = open(t, dir, Options{})
	got := dump(t, openRoot(t, db, testKey).View)
	if want := map[string]Entry{"before": entry(1)}; !maps.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
}

// TestRebuildInTrouble has the index damaged while the disk is full: no read
// and no write succeeds, until there is room to rebuild it.
func TestRebuildInTrouble(t *testing.T) {
	d := newDisk(t)
	dir := t.TempDir()
	db := open(t, dir, Options{vfs: d.name})
	r := openRoot(t, db, testKey)
	want := recordAll(t, r, files(100, 0))
	d.fail.Store(lib.SQLITE_FULL)
	if err := db.order(t.Context(), db.gen, errDamaged); err == nil {
		t.Fatal("an index was rebuilt on a full disk")
	}
	if db.Trouble() == nil {
		t.Error("no trouble is shown")
	}
	if _, err := r.Lookup(t.Context(), "x"); err == nil {
		t.Error("Lookup succeeded without an index")
	}
	d.fail.Store(0)
	want["after"] = entry(1)
	record(t, r, "after", entry(1))
	wantAll(t, r.View, want)
	if err := db.Trouble(); err != nil {
		t.Errorf("trouble is not over: %v", err)
	}
}

// TestIdle has nothing to do for a while: the log is emptied, and an index
// that could not be rebuilt is tried again.
func TestIdle(t *testing.T) {
	d := newDisk(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db := open(t, dir, Options{vfs: d.name})
		r := openRoot(t, db, testKey)
		want := recordAll(t, r, files(100, 0))
		wal := filepath.Join(dir, indexName+walSuffix)
		if st, err := os.Stat(wal); err != nil || st.Size() == 0 {
			t.Fatalf("the log is empty before: %v, %v", st, err)
		}
		time.Sleep(idleAfter + time.Second)
		synctest.Wait()
		if st, err := os.Stat(wal); err != nil || st.Size() != 0 {
			t.Errorf("the log is not empty: %v, %v", st, err)
		}

		d.fail.Store(lib.SQLITE_IOERR_WRITE)
		if err := db.order(t.Context(), db.gen, errDamaged); err == nil {
			t.Fatal("an index was rebuilt on a broken disk")
		}
		d.fail.Store(0)
		time.Sleep(maxWait + time.Second)
		synctest.Wait()
		if err := db.Trouble(); err != nil {
			t.Errorf("trouble is not over: %v", err)
		}
		wantAll(t, r.View, want)
	})
}
