package watch

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	seeds = flag.Int("seeds", 3, "how many seeds the chaos tests run")
	ops   = flag.Int("ops", 2000, "how many operations each seed of the chaos tests does")
)

// A monkey changes a tree at random: it makes paths, renames and exchanges
// directories, removes trees and makes them anew, and writes files all over.
type monkey struct {
	root string
	*rand.Rand
	serial int
}

func newMonkey(root string, seed int) *monkey {
	return &monkey{root: root, Rand: rand.New(rand.NewPCG(uint64(seed), 1))}
}

func (k *monkey) dir() string {
	names := []string{"a", "b", "c", "d"}
	path := k.root
	for range 1 + k.IntN(4) {
		path = filepath.Join(path, names[k.IntN(len(names))])
	}
	return path
}

// step does one thing. Most can fail, for what they need may not be there.
func (k *monkey) step() {
	k.serial++
	d := k.dir()
	content := fmt.Sprint(k.serial)
	switch k.IntN(20) {
	case 0, 1, 2:
		os.MkdirAll(d, 0o755)
		write(filepath.Join(d, "f"+fmt.Sprint(k.IntN(5))), content)
	case 3, 4:
		os.Rename(d, k.dir())
	case 5:
		unix.Renameat2(unix.AT_FDCWD, d, unix.AT_FDCWD, k.dir(), unix.RENAME_EXCHANGE)
	case 6:
		os.RemoveAll(d)
	case 7:
		os.RemoveAll(d)
		os.MkdirAll(d, 0o755)
		write(filepath.Join(d, "again"), content)
	case 8:
		other := k.dir()
		if os.Rename(d, other) == nil {
			os.MkdirAll(d, 0o755)
			write(filepath.Join(d, "old"), content)
			write(filepath.Join(other, "new"), content)
		}
	case 9:
		if os.Rename(d, k.root+".out") == nil { // out of the tree, and back in elsewhere
			write(filepath.Join(k.root+".out", "outside"), content)
			if os.Rename(k.root+".out", k.dir()) != nil {
				os.RemoveAll(k.root + ".out")
			}
		}
	case 10:
		write(filepath.Join(d, "tmp"), content)
		os.Rename(filepath.Join(d, "tmp"), filepath.Join(d, "final"))
	case 11:
		os.Remove(filepath.Join(d, "f"+fmt.Sprint(k.IntN(5))))
	case 12: // a file where a directory may be, and the reverse
		os.Remove(d)
		write(d, content)
	case 13:
		// Of a file that is not written again: a write through the other name
		// is not reported.
		write(filepath.Join(d, "u"+content), content)
		os.Link(filepath.Join(d, "u"+content), filepath.Join(k.dir(), "hard"))
	default:
		write(filepath.Join(d, "f"+fmt.Sprint(k.IntN(5))), content)
	}
}

func TestChaos(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := start(t, filepath.Join(newDir(t), "root"), Options{})
			k := newMonkey(r.dir, seed)
			for i := range *ops {
				k.step()
				if i%(*ops/4) == 0 {
					r.check()
				}
			}
			r.check()
			r.noScans()
		})
	}
}

// newDir returns a temporary directory with a directory "root" in it.
func newDir(t testing.TB) string {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "root"), 0o755))
	return dir
}

func TestChaosOverflow(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := start(t, filepath.Join(newDir(t), "root"), Options{})
			k := newMonkey(r.dir, seed)
			for range *ops / 4 {
				k.step()
			}
			overflow(t, r, k)
			for range *ops / 4 {
				k.step()
			}
			r.check()
			if st := r.Stats(); st.Overflows == 0 || st.Recoveries == 0 {
				t.Errorf("no overflow was met: %+v", st)
			}
		})
	}
}

// overflow holds up the pump until the kernel's queue has overflowed, while
// the monkey goes on.
func overflow(t testing.TB, r *rig, k *monkey) {
	t.Helper()
	s := r.source().(*inotify)
	s.mu.Lock()
	defer s.mu.Unlock()
	one, two := filepath.Join(r.dir, "one"), filepath.Join(r.dir, "two")
	must(t, write(one, ""), write(two, ""))
	for i := range 16384 + maxEvents {
		must(t, os.Chmod(one, 0o600), os.Chmod(two, 0o600)) // equal events in a row would be merged
		if i%400 == 0 {
			k.step()
		}
	}
}
