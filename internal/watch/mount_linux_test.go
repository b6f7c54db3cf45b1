package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mountEnv names the test that a child process runs where it may mount.
const mountEnv = "WATCH_TEST_MOUNT"

// mayMount runs a test again in a process with mounts of its own, and reports
// whether this is that process.
func mayMount(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountEnv) == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to mount")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), mountEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skipf("SKIPPED: no mount namespace can be made here: %v", err)
	} else if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// mount mounts until the test ends or the function it returns is called.
func mount(t *testing.T, source, target, kind string, flags uintptr) (end func()) {
	t.Helper()
	must(t, unix.Mount(source, target, kind, flags, ""))
	done := false
	end = func() {
		if !done {
			must(t, unix.Unmount(target, unix.MNT_DETACH))
		}
		done = true
	}
	t.Cleanup(end)
	return end
}

// A file system is mounted inside the source. No event tells: the next scan
// finds it, and from then on it is watched. When it is gone again, what it hid
// counts again.
func TestMountInside(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		return
	}
	dir := t.TempDir()
	at := filepath.Join(dir, "at")
	must(t, os.Mkdir(at, 0o755), write(filepath.Join(at, "hidden"), "1"))
	r := start(t, dir, Options{})
	end := mount(t, "none", at, "tmpfs", 0)
	must(t, os.Mkdir(filepath.Join(at, "d"), 0o755), write(filepath.Join(at, "d", "f"), "22"))
	must(t, r.scanNow(t.Context()))
	r.check()
	base := len(r.m.scanned())
	must(t, write(filepath.Join(at, "d", "g"), "333"), write(filepath.Join(at, "h"), "4"))
	r.check()
	if n := len(r.m.scanned()); n != base {
		t.Errorf("%d scans for changes below a mount that had been scanned", n-base)
	}
	end()
	must(t, r.scanNow(t.Context()))
	r.check()
	must(t, write(filepath.Join(at, "new"), "5"))
	r.check()
}

// A directory is mounted below itself, and another a second time: what is
// below them is listed under each name, and there is an end to it.
func TestBindMountLoop(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		return
	}
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "loop"), 0o755), os.Mkdir(filepath.Join(dir, "twin"), 0o755),
		write(filepath.Join(dir, "a", "f"), "1"))
	mount(t, filepath.Join(dir, "a"), filepath.Join(dir, "twin"), "", unix.MS_BIND)
	mount(t, dir, filepath.Join(dir, "a", "loop"), "", unix.MS_BIND|unix.MS_REC)
	r := start(t, dir, Options{})
	r.check()
	must(t, write(r.path("a", "g"), "22"))
	must(t, r.scanNow(t.Context())) // seen under one name at once, under the others by a look
	r.check()
	for _, p := range []string{"a/g", "twin/g", "a/loop/a/g"} {
		if _, ok := r.m.files()[p]; !ok {
			t.Errorf("%s is not known", p)
		}
	}
	must(t, os.RemoveAll(r.path("a", "f")), r.scanNow(t.Context()))
	r.check()
}

// The file system becomes read-only and writable again under the watcher.
func TestReadOnlyRemount(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		return
	}
	dir := t.TempDir()
	mount(t, "none", dir, "tmpfs", 0)
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755), write(filepath.Join(dir, "d", "f"), "1"))
	r := start(t, dir, Options{})
	must(t, unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	if err := write(r.path("d", "f"), "2"); !errors.Is(err, unix.EROFS) {
		t.Fatalf("write: %v, want a read-only file system", err)
	}
	r.check()
	must(t, unix.Mount("none", dir, "", unix.MS_REMOUNT, ""), write(r.path("d", "f"), "33"))
	r.check()
	r.noScans()
}

// The root's file system is unmounted: an empty directory is there. The scan
// says that it is another one, and a remount is the first again.
func TestRootUnmounted(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		return
	}
	dir, kept := t.TempDir(), t.TempDir()
	must(t, write(filepath.Join(kept, "f"), "1"))
	end := mount(t, kept, dir, "", unix.MS_BIND)
	r := start(t, dir, Options{})
	first := r.m.scanned()[0]
	end()
	must(t, r.scanNow(t.Context()))
	scans := r.m.scanned()
	if last := scans[len(scans)-1]; last.Root == first.Root || last.Files != 0 {
		t.Errorf("scan of what is below the mount: %+v, first %+v", last, first)
	}
	mount(t, kept, dir, "", unix.MS_BIND)
	must(t, r.scanNow(t.Context()))
	scans = r.m.scanned()
	if last := scans[len(scans)-1]; last.Root != first.Root || last.Files != 1 {
		t.Errorf("scan after it was mounted again: %+v, first %+v", last, first)
	}
	must(t, write(r.path("g"), "2"))
	r.check()
}

// The source is named through a symbolic link, which is then turned to another
// directory.
func TestSourceThroughLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two, link := filepath.Join(dir, "one"), filepath.Join(dir, "two"), filepath.Join(dir, "link")
	must(t, os.Mkdir(one, 0o755), os.Mkdir(two, 0o755), write(filepath.Join(one, "a"), "1"),
		write(filepath.Join(two, "b"), "2"), os.Symlink("one", link))
	r := start(t, link, Options{})
	must(t, os.Mkdir(filepath.Join(one, "d"), 0o755), write(filepath.Join(one, "d", "f"), "1"))
	r.settle()
	if got := len(r.m.files()); got != 2 {
		t.Errorf("%d files through the link, want 2: %v", got, r.m.files())
	}
	r.noScans()
	must(t, os.Symlink("two", link+".new"), os.Rename(link+".new", link))
	eventually(t, "the other directory is scanned", func() bool {
		scans := r.m.scanned()
		return scans[len(scans)-1].Root != scans[0].Root
	})
	r.settle()
	must(t, write(filepath.Join(two, "c"), "3"))
	r.settle()
	for _, name := range []string{"b", "c"} {
		if _, ok := r.m.files()[name]; !ok {
			t.Errorf("%s is not known: %v", name, r.m.files())
		}
	}
}

// Directories are renamed over empty ones, again and again, while the tree is
// scanned. Nothing is left out of the mirror, and no ghost stays in it.
func TestRenamedOverWhileScanned(t *testing.T) {
	t.Parallel()
	r := start(t, "", Options{Workers: 2})
	for i := range 100 {
		from, to := r.path(fmt.Sprint("from", i)), r.path(fmt.Sprint("to", i%7))
		must(t, os.MkdirAll(filepath.Join(from, "x", "y"), 0o755), write(filepath.Join(from, "x", "y", "f"), fmt.Sprint(i)))
		r.Rescan()
		must(t, os.RemoveAll(to), os.Mkdir(to, 0o755), unix.Rename(from, to), write(filepath.Join(to, "x", "g"), "1"))
		if i%20 == 0 {
			r.check()
		}
	}
	r.check()
}

// A directory is removed and made again, where the file system does so with the
// same inode number, as ext4 does. The old watch is not the new directory's.
func TestMadeAnewWithSameInode(t *testing.T) {
	t.Parallel()
	r := start(t, "", Options{})
	dir, same := r.path("d"), 0
	var last uint64
	for i := range 200 {
		must(t, os.Mkdir(dir, 0o755))
		var st unix.Stat_t
		must(t, unix.Stat(dir, &st))
		if st.Ino == last {
			same++
		}
		last = st.Ino
		must(t, write(filepath.Join(dir, "f"), strings.Repeat("x", i)))
		if i%20 == 0 {
			r.check()
		}
		must(t, os.RemoveAll(dir))
	}
	must(t, os.Mkdir(dir, 0o755), write(filepath.Join(dir, "last"), "1"))
	r.check()
	r.noScans()
	t.Logf("the same inode %d times", same)
}

// Files and directories change places under one name while the pump lags, so
// that what is found is newer than the news.
func TestFileAndDirectoryTakeTurnsWithSlowPump(t *testing.T) {
	t.Parallel()
	r := start(t, "", Options{})
	for i := range 60 {
		p := r.path("p")
		must(t, write(p, "file"))
		if i%3 == 0 {
			r.check()
		}
		s := r.source().(*inotify)
		s.mu.Lock()
		must(t, os.Remove(p), os.Mkdir(p, 0o755), write(filepath.Join(p, "f"), "x"), os.RemoveAll(p),
			write(p, "again"), os.Remove(p), os.Mkdir(p, 0o755))
		s.mu.Unlock()
		if i%2 == 0 {
			r.Watcher.pending.dir("", true) // a look finds it before the news comes
		}
		r.check()
		must(t, os.RemoveAll(p))
	}
	r.check()
}

// A tree of 700 directories, one in the other, is renamed at its top.
func TestDeepTreeRenamed(t *testing.T) {
	t.Parallel()
	r := start(t, "", Options{})
	deep := r.path("top") + strings.Repeat("/d", 700)
	must(t, os.MkdirAll(deep, 0o755), write(deep+"/f", "1"))
	r.check()
	must(t, os.Rename(r.path("top"), r.path("pot")))
	deep = strings.Replace(deep, "/top/", "/pot/", 1)
	must(t, write(deep+"/g", "22"))
	r.check()
	must(t, os.RemoveAll(r.path("pot")))
	r.check()
	r.noScans()
	if st := r.Stats(); st.Watched != 1 || st.Total != 1 {
		t.Errorf("%d of %d directories are watched after all but the root are gone", st.Watched, st.Total)
	}
}

// What could not be read is named, each directory with all below it once, and
// the reason is that of the first.
func TestUnreadIsNamed(t *testing.T) {
	t.Parallel()
	if !inChild(t) {
		return
	}
	dir := t.TempDir()
	for _, d := range []string{"a", "b/c", "ok"} {
		must(t, os.MkdirAll(filepath.Join(dir, d, "below"), 0o755), write(filepath.Join(dir, d, "below", "f"), "1"))
	}
	for _, d := range []string{"a", "b/c"} {
		must(t, os.Chmod(filepath.Join(dir, d), 0))
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, d), 0o755) })
	}
	c := scanOf(t, dir, Options{})
	s := c.scan
	for i, d := range s.Unread {
		if len(s.Reasons) != len(s.Unread) || !errors.Is(s.Reasons[i], os.ErrPermission) || !strings.Contains(s.Reasons[i].Error(), d) {
			t.Fatalf("reasons %v of %v", s.Reasons, s.Unread)
		}
	}
	slices.Sort(s.Unread)
	if s.Complete || !slices.Equal(s.Unread, []string{"a", "b/c"}) || !errors.Is(s.Why, os.ErrPermission) || s.Err != nil || s.Failed != 2 {
		t.Errorf("scan %+v", s)
	}
	var path *os.PathError
	if !errors.As(s.Why, &path) || !slices.Contains(s.Unread, path.Path) {
		t.Errorf("the reason %v names none of %v", s.Why, s.Unread)
	}
	if !slices.Equal(c.paths(), []string{"ok/below/f"}) {
		t.Errorf("files %v", c.paths())
	}
}
