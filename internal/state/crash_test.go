package state

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

var (
	kills       = flag.Int("kills", 8, "how often TestKill kills the writing process")
	powerCuts   = flag.Int("powercuts", 40, "crash points that TestPowerCut tries")
	corruptions = flag.Int("corruptions", 40, "trials of TestCorruption")
	seed        = flag.Uint64("seed", 1, "of the random trials")
)

// childEnv makes the test binary another process: what it is to do, and where.
const childEnv = "OSSSYNC_STATE_TEST"

func TestMain(m *testing.M) {
	switch what := os.Getenv(childEnv); what {
	case "":
		os.Exit(m.Run())
	case "hold":
		childHold(os.Getenv(childEnv + "_DIR"))
	case "write":
		childWrite(os.Getenv(childEnv + "_DIR"))
	default:
		panic(what)
	}
}

// child starts this binary again as another process.
func child(t *testing.T, what, dir string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+what, childEnv+"_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

// childHold opens the index and keeps it until its input ends.
func childHold(dir string) {
	db, err := Open(context.Background(), dir, Options{})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	fmt.Println("open")
	select {}
}

const (
	childWriters = 8
	childFiles   = 50 // of each writer
)

func childPath(writer, n int) string {
	return fmt.Sprintf("w%d/f%02d", writer%3, writer*childFiles+n%childFiles)
}

// childWrite records files until it is killed, and prints each once it is
// acknowledged. It counts from its first argument.
func childWrite(dir string) {
	base, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	db, err := Open(context.Background(), dir, Options{})
	if err != nil {
		panic(err)
	}
	r, err := db.Root(context.Background(), testKey)
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for w := range childWriters {
		wg.Go(func() {
			for n := base; ; n++ {
				if err := r.Record(context.Background(), childPath(w, n), entry(n)); err != nil {
					panic(err)
				}
				fmt.Fprintf(os.Stdout, "%d %d\n", w, n) // one write
			}
		})
	}
	wg.Wait()
}

// TestKill kills a writing process again and again. Whatever it acknowledged
// must be there, and the rest must be consistent.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(*seed, 3))
	newest := map[string]int{} // what was acknowledged
	for trial := range *kills {
		base := trial * 1_000_000
		cmd, out := child(t, "write", dir, strconv.Itoa(base))
		if _, err := out.ReadString('\n'); err != nil { // it writes
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(rnd.IntN(100))*time.Millisecond, func() { cmd.Process.Kill() })
		for {
			var w, n int
			if _, err := fmt.Fscanln(out, &w, &n); err != nil {
				break // killed, perhaps within a line
			}
			newest[childPath(w, n)] = max(n, newest[childPath(w, n)])
		}
		cmd.Wait()

		db := open(t, dir, Options{})
		if b := db.Rebuilt(); b != nil {
			t.Fatalf("kill %d damaged the index: %+v", trial, b)
		}
		r := openRoot(t, db, testKey)
		all := dump(t, r.View)
		for path, n := range newest {
			if e := all[path]; e.Size < int64(n) || e != entry(int(e.Size)) {
				t.Errorf("kill %d: %s is %v, acknowledged was %d", trial, path, e, n)
			}
		}
		wantAll(t, r.View, all) // the counters agree
		closeDB(t, db)
	}
	t.Logf("%d kills, %d files, 0 lost", *kills, len(newest))
}

// TestFullDisk fills a real file system, where the test may make one. What it
// shows beyond TestDiskTrouble is that all of SQLite's files cope with it.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, 1<<20)
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	want := map[string]Entry{}
	full, stop := context.WithCancel(t.Context())
	go func() {
		for db.Trouble() == nil && full.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	for i := 0; full.Err() == nil; i++ {
		batch := make([]Located, 200)
		for k := range batch {
			batch[k] = Located{fmt.Sprintf("d%d/f%d", i, k), entry(k)}
			want[batch[k].Path] = batch[k].Entry
		}
		if err := r.RecordAll(full, batch); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if i == 1000 {
			t.Fatal("1 MiB is not full after 200,000 files")
		}
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	// The last batch was given up, so it may be there in part.
	if err := db.flush(t.Context(), r.View); err != nil {
		t.Fatal(err)
	}
	got := dump(t, r.View)
	if len(got) < len(want)-200 {
		t.Errorf("%d entries, want %d but for the last 200", len(got), len(want))
	}
	for path, e := range got {
		if e != want[path] {
			t.Errorf("%s is %v, want %v", path, e, want[path])
		}
	}
	closeDB(t, db)
	wantAll(t, openRoot(t, open(t, dir, Options{}), testKey).View, got)
}
