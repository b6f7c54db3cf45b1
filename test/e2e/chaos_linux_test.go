package e2e

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/test/sandbox/box"
)

var (
	chaosSeeds = flag.Int("chaos.seeds", 2, "how many seeds each test of chaos runs")
	chaosOps   = flag.Int("chaos.ops", 400, "how many operations each seed does")
)

// A monkey changes a tree at random. It never puts a directory where a file was,
// nor the reverse: an object of such a path is kept.
type monkey struct {
	root string
	*rand.Rand
	serial int
}

func (k *monkey) dir() string {
	names := []string{"a", "b", "c", "d"}
	path := k.root
	for range 1 + k.IntN(4) {
		path = filepath.Join(path, names[k.IntN(len(names))])
	}
	return path
}

func (k *monkey) file(dir string) string { return filepath.Join(dir, fmt.Sprint("f", k.IntN(5))) }

func (k *monkey) steps(n int) {
	for range n {
		k.step()
	}
}

// step does one thing. Most can fail, for what they need may not be there.
func (k *monkey) step() {
	k.serial++
	text := []byte(fmt.Sprint("content ", k.serial))
	put := func(path string) { _ = os.WriteFile(path, text, 0o644) }
	d := k.dir()
	switch k.IntN(16) {
	case 0, 1, 2:
		_ = os.MkdirAll(d, 0o755)
		put(k.file(d))
	case 3, 4:
		_ = os.Rename(d, k.dir())
	case 5:
		_ = unix.Renameat2(unix.AT_FDCWD, d, unix.AT_FDCWD, k.dir(), unix.RENAME_EXCHANGE)
	case 6:
		_ = os.RemoveAll(d)
	case 7:
		_ = errors.Join(os.RemoveAll(d), os.MkdirAll(d, 0o755))
		put(k.file(d))
	case 8:
		if other := k.dir(); os.Rename(d, other) == nil {
			_ = os.MkdirAll(d, 0o755)
			put(k.file(d))
			put(k.file(other))
		}
	case 9: // out of the tree, and back in elsewhere
		if os.Rename(d, k.root+".out") == nil {
			put(k.file(k.root + ".out"))
			if os.Rename(k.root+".out", k.dir()) != nil {
				_ = os.RemoveAll(k.root + ".out")
			}
		}
	case 10:
		put(filepath.Join(d, "tmp"))
		_ = os.Rename(filepath.Join(d, "tmp"), k.file(d))
	case 11:
		_ = os.Remove(k.file(d))
	case 12:
		_ = os.Rename(k.file(d), k.file(k.dir()))
	default:
		put(k.file(d))
	}
}

// TestChaos changes a tree at random while the agent mirrors it. After each seed
// the bucket equals the disk, with no scan but the first: all was found by what
// the system told.
func TestChaos(t *testing.T) {
	t.Parallel()
	chaos(t, nil, func(d *daemon, c *agent.Client, k *monkey) *daemon {
		k.steps(*chaosOps)
		return d
	}, func(w agent.WatchStatus, seed int) error {
		if w.Overflows != 0 || w.Scans != 1 {
			return fmt.Errorf("%d overflows and %d scans", w.Overflows, w.Scans)
		}
		return nil
	})
}

// TestChaosOverflow does the same, but has the agent stand still in the midst of
// it, until the kernel has more to tell than it can keep.
func TestChaosOverflow(t *testing.T) {
	t.Parallel()
	chaos(t, nil, func(d *daemon, c *agent.Client, k *monkey) *daemon {
		k.steps(*chaosOps / 2)
		if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		overflow(t, k)
		if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		k.steps(*chaosOps / 2)
		return d
	}, func(w agent.WatchStatus, seed int) error {
		if w.Overflows < uint64(seed+1) {
			return fmt.Errorf("%d overflows", w.Overflows)
		}
		return nil
	})
}

// TestChaosRestarts ends the agent in the midst of it, or kills it when all was
// done, and goes on while none runs. What was deleted meanwhile is deleted.
func TestChaosRestarts(t *testing.T) {
	t.Parallel()
	chaos(t, nil, func(d *daemon, c *agent.Client, k *monkey) *daemon {
		k.steps(*chaosOps / 2)
		sig := syscall.SIGTERM
		if k.IntN(2) == 0 {
			// What was put and is not in the index yet when the agent is killed
			// would stay, if its file is deleted before the next one begins.
			settle(t, c)
			sig = syscall.SIGKILL
		}
		d.stop(sig)
		k.steps(*chaosOps / 4)
		d = start(t, d.config)
		k.steps(*chaosOps / 4)
		return d
	}, func(w agent.WatchStatus, _ int) error {
		if w.Scans != 1 {
			return fmt.Errorf("%d scans", w.Scans)
		}
		return nil
	})
}

// TestChaosPolled has all of it found by scans, the one that a wait asks for and
// those that happen to run.
func TestChaosPolled(t *testing.T) {
	t.Parallel()
	chaos(t, box.Job{"watch": "poll"}, func(d *daemon, c *agent.Client, k *monkey) *daemon {
		k.steps(*chaosOps / 2)
		if _, err := c.Rescan(within(t), nil); err != nil {
			t.Error(err)
		}
		k.steps(*chaosOps / 2)
		return d
	}, func(w agent.WatchStatus, _ int) error {
		if w.Mode != "poll" {
			return fmt.Errorf("mode %q", w.Mode)
		}
		return nil
	})
}

// overflow makes more events than the kernel keeps. Equal ones in a row would be
// merged, so two files take turns.
func overflow(t *testing.T, k *monkey) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	var limit int
	if _, err := fmt.Sscan(string(text), &limit); err != nil {
		t.Fatal(err)
	}
	for i := range limit {
		if err := errors.Join(os.Chmod(filepath.Join(k.root, "one"), 0o600), os.Chmod(filepath.Join(k.root, "two"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if i%400 == 0 {
			k.step()
		}
	}
}

// chaos mirrors a tree while it is disturbed, which may need another agent, and
// compares the bucket with the disk each time.
func chaos(t *testing.T, more box.Job, disturb func(*daemon, *agent.Client, *monkey) *daemon, proper func(agent.WatchStatus, int) error) {
	b := box.Start(t, box.Options{})
	job := box.Job{"settle": "5ms", "deletes": "mirror", "max_deletes": "1000000"}
	maps.Copy(job, more)
	config, source := configure(t, b, job, nil)
	for _, name := range []string{"one", "two"} { // so that the source is never empty
		write(t, filepath.Join(source, name), name)
	}
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	for seed := range *chaosSeeds {
		k := &monkey{root: source, Rand: rand.New(rand.NewPCG(uint64(seed), 5)), serial: seed * 1_000_000}
		if next := disturb(d, c, k); next != d {
			d, c = next, next.control(b)
		}
		if r := settle(t, c); r.Jobs[0].FailedFiles != 0 {
			t.Errorf("seed %d: %+v", seed, r.Jobs[0])
		}
		if diff := differs(t, b, source); diff != "" {
			t.Errorf("seed %d: after a wait %s", seed, diff)
		}
		if err := proper(statusOf(t, c, "docs").Watch, seed); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if t.Failed() {
			return
		}
	}
}
