package state

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestPowerCut records what goes to the disk while files are recorded, and
// replays it up to many points: what was synced is there, and of the rest any
// sector may be there or not. No acknowledged file may be missing then.
//
// To show that the trial would notice, it is repeated with commits that do not
// wait for the disk.
func TestPowerCut(t *testing.T) {
	lost := powerCut(t, "_pragma=wal_autocheckpoint(30)", *powerCuts)
	if lost != 0 {
		t.Errorf("%d of %d power cuts lost acknowledged files or the index", lost, *powerCuts)
	}
	control := powerCut(t, "_pragma=wal_autocheckpoint(30)&_pragma=synchronous(NORMAL)", 20)
	if control == 0 {
		t.Error("no power cut lost anything without waiting for the disk: the trial notices nothing")
	}
	t.Logf("%d power cuts, %d lost files; without waiting %d of 20", *powerCuts, lost, control)
}

// powerCut returns at how many of some crash points acknowledged files were lost.
func powerCut(t *testing.T, pragmas string, points int) (lost int) {
	d := newDisk(t)
	db := open(t, t.TempDir(), Options{vfs: d.name, pragmas: pragmas})
	r := openRoot(t, db, testKey)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := 1; n <= 100; n++ {
				path := childPath(w, n)
				if err := r.Record(t.Context(), path, entry(n)); err != nil {
					t.Error(err)
				}
				d.note(event{kind: acked, path: path, off: int64(n)})
			}
		})
	}
	wg.Wait()
	d.mu.Lock()
	events := slices.Clone(d.events)
	d.mu.Unlock()
	start := slices.IndexFunc(events, func(e event) bool { return e.kind == acked })
	if !slices.ContainsFunc(events[start:], func(e event) bool { return e.kind == write && e.file == indexName }) {
		t.Fatal("no checkpoint was among what was recorded")
	}

	rnd := rand.New(rand.NewPCG(*seed, 4))
	for range points {
		at := start + rnd.IntN(len(events)-start)
		if !survives(t, events[:at], rnd) {
			lost++
		}
	}
	return lost
}

// survives tells whether what a power cut after the events leaves is whole.
func survives(t *testing.T, events []event, rnd *rand.Rand) bool {
	dir, err := os.MkdirTemp(t.TempDir(), "cut")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	newest := map[string]int64{}
	for _, e := range events {
		if e.kind == acked {
			newest[e.path] = max(newest[e.path], e.off)
		}
	}
	for name, content := range replay(events, rnd) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, dir, quick)
	defer db.Close()
	if db.Rebuilt() != nil {
		return false
	}
	all := dump(t, openRoot(t, db, testKey).View)
	for path, e := range all {
		if e != entry(int(e.Size)) {
			t.Errorf("%s is %v, which was never recorded", path, e)
		}
	}
	for path, n := range newest {
		if all[path].Size < n {
			return false
		}
	}
	return true
}

// replay makes the files that are on the disk after a power cut. Everything up
// to a file's last sync is there. Of each later write every sector of 512
// bytes is or is not, and so is each later truncation.
func replay(events []event, rnd *rand.Rand) map[string][]byte {
	const sector = 512
	lastSync := map[string]int{}
	for i, e := range events {
		if e.kind == sync_ {
			lastSync[e.file] = i
		}
	}
	files := map[string][]byte{}
	for i, e := range events {
		safe := i < lastSync[e.file]
		b := files[e.file]
		switch e.kind {
		case write:
			for from := 0; from < len(e.data); {
				to := min(len(e.data), from+sector-int(e.off+int64(from))%sector)
				if safe || rnd.IntN(2) == 0 {
					if grow := int(e.off) + to - len(b); grow > 0 {
						b = append(b, make([]byte, grow)...)
					}
					copy(b[int(e.off)+from:], e.data[from:to])
				}
				from = to
			}
			files[e.file] = b
		case truncate:
			if (safe || rnd.IntN(2) == 0) && int64(len(b)) > e.off {
				files[e.file] = b[:e.off]
			}
		case remove:
			delete(files, e.file)
		}
	}
	return files
}
