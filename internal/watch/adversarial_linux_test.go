package watch

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var flood = flag.Int("flood", 20000, "how many files TestFloodOfFiles makes")

// Each of these does what made a naive watcher lose events, deadlock or panic,
// and then expects the mirror to equal the disk at once, without a scan.

func TestDeepDirectoryAndFileAtOnce(t *testing.T) {
	r := start(t, "", Options{})
	for i := range 300 {
		d := r.path(fmt.Sprint(i), "b", "c", "d")
		must(t, os.MkdirAll(d, 0o755), write(filepath.Join(d, "f"), "x"))
	}
	r.check()
	r.noScans()
}

func TestRenamedDirectoryThenWrite(t *testing.T) {
	r := start(t, "", Options{})
	must(t, os.Mkdir(r.path("d0"), 0o755))
	for i := range 500 {
		from, to := r.path(fmt.Sprint("d", i)), r.path(fmt.Sprint("d", i+1))
		must(t, os.Rename(from, to), write(filepath.Join(to, "f"), fmt.Sprint(i)))
		if i%50 == 0 {
			r.check()
		}
	}
	r.check()
	r.noScans()
}

func TestRenamedAndOldNameMadeAnew(t *testing.T) {
	r := start(t, "", Options{})
	for i := range 100 {
		a, b := r.path("a"), r.path("b")
		must(t, os.RemoveAll(a), os.RemoveAll(b), os.MkdirAll(filepath.Join(a, "sub"), 0o755),
			os.Rename(a, b), os.Mkdir(a, 0o755),
			write(filepath.Join(a, "f"), fmt.Sprint(i)), write(filepath.Join(b, "f"), fmt.Sprint(i)),
			write(filepath.Join(b, "sub", "f"), fmt.Sprint(i)))
		if i%10 == 0 {
			r.check()
		}
	}
	r.check()
	r.noScans()
}

// The library's Remove panics after this, if it is not asked in time.
func TestRenameChain(t *testing.T) {
	r := start(t, "", Options{})
	for i := range 100 {
		a, b, c := r.path("a"), r.path("b"), r.path("c")
		must(t, os.RemoveAll(c), os.RemoveAll(b), os.MkdirAll(a, 0o755), os.MkdirAll(b, 0o755))
		if i%2 == 0 {
			r.settle()
		}
		must(t, os.Rename(b, c), os.Rename(a, b), write(filepath.Join(b, "f"), fmt.Sprint(i)),
			write(filepath.Join(c, "f"), fmt.Sprint(i)))
		if i%10 == 0 {
			r.check()
		}
	}
	r.check()
}

// The library's reader sends an error with its mutex held when a renamed
// directory is gone before it gets there. Adding a watch then waits for ever.
func TestRenamedAndRemovedWithSlowPump(t *testing.T) {
	r := start(t, "", Options{})
	for i := range 20 {
		a, b := r.path("a"), r.path("b")
		must(t, os.MkdirAll(a, 0o755))
		r.settle()
		s := r.source().(*inotify)
		s.mu.Lock()
		must(t, os.Rename(a, b), os.Remove(b))
		time.Sleep(2 * time.Millisecond) // time for the reader to trip, not to pass
		s.mu.Unlock()
		must(t, os.MkdirAll(a, 0o755), write(filepath.Join(a, "f"), fmt.Sprint(i)))
		r.check()
		must(t, os.RemoveAll(a))
	}
	r.check()
}

func TestDirectoryRemovedAndMadeAnew(t *testing.T) {
	r := start(t, "", Options{})
	for i := range 50 {
		d := r.path("d")
		must(t, os.RemoveAll(d), os.Mkdir(d, 0o755))
		r.settle()
		must(t, write(filepath.Join(d, "f"), fmt.Sprint(i)))
		r.check()
	}
	r.noScans()
}

func TestPopulatedDirectoryMovedInOutAndBack(t *testing.T) {
	dir := newDir(t)
	outside := filepath.Join(dir, "outside")
	must(t, os.MkdirAll(filepath.Join(outside, "x", "y"), 0o755),
		write(filepath.Join(outside, "f"), "1"), write(filepath.Join(outside, "x", "y", "f"), "2"))
	r := start(t, filepath.Join(dir, "root"), Options{})
	for i := range 20 {
		in := r.path(fmt.Sprint("in", i))
		must(t, os.Rename(outside, in))
		r.check()
		must(t, write(filepath.Join(in, "x", "y", "g"), fmt.Sprint(i)))
		r.check()
		must(t, os.Rename(in, outside), write(filepath.Join(outside, "x", "y", "h"), fmt.Sprint(i)))
		r.check()
	}
	r.noScans()
}

func TestDirectoriesExchanged(t *testing.T) {
	r := start(t, "", Options{})
	must(t, os.MkdirAll(r.path("a/s"), 0o755), os.MkdirAll(r.path("b/s"), 0o755))
	for i := range 100 {
		must(t, unix.Renameat2(unix.AT_FDCWD, r.path("a"), unix.AT_FDCWD, r.path("b"), unix.RENAME_EXCHANGE),
			write(r.path("a/s/f"), fmt.Sprint("a", i)), write(r.path("b/s/f"), fmt.Sprint("b", i)))
		if i%10 == 0 {
			r.check()
		}
	}
	r.check()
	r.noScans()
}

func TestFileBecomesDirectoryAndBack(t *testing.T) {
	r := start(t, "", Options{})
	for range 50 {
		p := r.path("p")
		must(t, write(p, "file"))
		r.check()
		must(t, os.Remove(p), os.Mkdir(p, 0o755), write(filepath.Join(p, "f"), "x"))
		r.check()
		must(t, os.RemoveAll(p))
	}
	r.check()
	r.noScans()
}

// The kernel goes on to call such a file by its number.
func TestUnnamedFileLinkedIntoTree(t *testing.T) {
	r := start(t, "", Options{})
	fd, err := unix.Open(r.dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "unnamed")
	_, err = f.WriteString("one")
	must(t, err, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd),
		unix.AT_FDCWD, r.path("named"), unix.AT_SYMLINK_FOLLOW))
	r.check()
	_, err = f.WriteString("two")
	must(t, err, f.Close())
	r.check()
	r.noScans()
	for path := range r.m.causes {
		if isUnnamed(path) {
			t.Errorf("hint for %q", path)
		}
	}
}

func TestEventsGoOnWhileSinkBlocks(t *testing.T) {
	r := start(t, "", Options{})
	release := make(chan struct{})
	r.m.mu.Lock()
	r.m.onList = func(l Listing) error { <-release; return nil }
	r.m.mu.Unlock()
	must(t, os.Mkdir(r.path("d"), 0o755))
	time.Sleep(10 * time.Millisecond)
	for i := range 1000 {
		must(t, write(r.path(fmt.Sprint("f", i)), ""))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Barrier(ctx); err == nil {
		t.Error("Barrier returned although a listing is held up")
	}
	close(release)
	r.check()
	r.noScans()
}

func TestFloodOfFiles(t *testing.T) {
	r := start(t, memDir(t), Options{})
	begun := time.Now()
	var prefixes []string
	for p := range 4 {
		d := r.path(fmt.Sprint("p", p))
		must(t, os.Mkdir(d, 0o755))
		prefixes = append(prefixes, d+"/f")
	}
	floodWith(t, *flood/4, 0, prefixes...)
	t.Logf("%.0f files/s", float64(*flood)/time.Since(begun).Seconds())
	r.settle()
	if got := len(r.m.files()); got != *flood {
		t.Errorf("%d files arrived of %d, %+v", got, *flood, r.Stats())
	}
	t.Logf("%+v", r.Stats())
}

// memDir returns a directory in memory where there is one: a disk is too slow
// to flood anything.
func memDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "watch-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
