package watch

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestHostileNames(t *testing.T) {
	r := start(t, "", Options{})
	names := []string{
		"new\nline", "\xff\xfe not UTF-8", strings.Repeat("n", 255), "-rf", " ", "..x", "...", "a\\b", "*", "%s%n",
		"#12x", "#", "C:", "tab\t", "\x01", "é", "e\u0301",
	}
	for _, n := range names {
		must(t, os.Mkdir(r.path("d "+n[:min(len(n), 200)]), 0o755), write(r.path(n), n),
			write(r.path("d "+n[:min(len(n), 200)], n), n))
	}
	r.check()
	c := scanOf(t, r.dir, Options{})
	if diff := cmp.Diff(len(disk(t, r.dir)), len(c.paths())); diff != "" {
		t.Error(diff)
	}
	for _, n := range names {
		must(t, os.Remove(r.path(n)), os.Rename(r.path("d "+n[:min(len(n), 200)]), r.path("moved "+n[:min(len(n), 200)])))
	}
	r.check()
	r.noScans()
}

// Deeper than a path can be long: what cannot be reached is told.
func TestPathTooLong(t *testing.T) {
	dir := t.TempDir()
	must(t, write(filepath.Join(dir, "f"), "1"))
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	name := strings.Repeat("d", 250)
	for range 20 {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err, unix.Close(fd))
		fd = next
	}
	unix.Close(fd)
	c := scanOf(t, dir, Options{})
	if c.scan.Complete || len(c.scan.Unread) != 1 || !slices.Equal(c.paths(), []string{"f"}) {
		t.Errorf("scan %+v of a tree deeper than a path", c.scan.Complete)
	}
	r := start(t, dir, Options{})
	must(t, write(filepath.Join(dir, name, "g"), "2"))
	r.settle()
	if _, ok := r.m.files()[name+"/g"]; !ok {
		t.Error("a change above was missed")
	}
}

func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, write(filepath.Join(dir, "f"), "1"), unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644),
		os.Symlink("f", filepath.Join(dir, "link")), os.Symlink("/etc", filepath.Join(dir, "etc")))
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	must(t, err)
	defer l.Close()
	c := scanOf(t, dir, Options{})
	if got := c.listings[""]; got.Special != 4 || c.scan.Special != 4 || len(got.Files) != 1 || len(got.Dirs) != 0 {
		t.Errorf("listing %+v", got)
	}
}

func TestFollowSymlinks(t *testing.T) {
	dir := newDir(t)
	root := filepath.Join(dir, "root")
	must(t, os.MkdirAll(filepath.Join(root, "releases", "1"), 0o755), os.MkdirAll(filepath.Join(root, "releases", "2"), 0o755),
		write(filepath.Join(root, "releases", "1", "f"), "1"), write(filepath.Join(root, "releases", "2", "f"), "22"),
		write(filepath.Join(dir, "outside"), "no"),
		os.Symlink("releases/1", filepath.Join(root, "current")),
		os.Symlink("releases/1/f", filepath.Join(root, "file")),
		os.Symlink("../outside", filepath.Join(root, "out")),
		os.Symlink("/etc", filepath.Join(root, "etc")),
		os.Symlink("none", filepath.Join(root, "dangling")),
		os.Symlink("self", filepath.Join(root, "self")),
		os.Symlink(".", filepath.Join(root, "loop")),
		os.Symlink("../..", filepath.Join(root, "releases", "1", "up")),
		os.Symlink("../2", filepath.Join(root, "releases", "1", "two")),
		os.Symlink("../1", filepath.Join(root, "releases", "2", "one")))
	c := scanOf(t, root, Options{FollowSymlinks: true})
	want := []string{
		"current/f", "current/two/f", "file",
		"releases/1/f", "releases/1/two/f", "releases/2/f", "releases/2/one/f",
	}
	if diff := cmp.Diff(want, c.paths()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}

	r := start(t, root, Options{FollowSymlinks: true})
	must(t, os.Remove(filepath.Join(root, "current")), os.Symlink("releases/2", filepath.Join(root, "current")),
		write(filepath.Join(root, "releases", "2", "g"), "3"))
	r.settle()
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.listed["current"] == 0 || r.m.listed["current/one"] == 0 {
		t.Errorf("the link's new target was not listed: %v", r.m.listed)
	}
}

// Somebody swaps a directory for a link that leads out of the tree, over and
// over, while it is scanned and watched. Nothing outside may be listed.
func TestSymlinkSwaps(t *testing.T) {
	dir := newDir(t)
	must(t, os.MkdirAll(filepath.Join(dir, "outside", "sub"), 0o755), write(filepath.Join(dir, "outside", "secret"), ""),
		write(filepath.Join(dir, "outside", "sub", "secret"), ""))
	root := filepath.Join(dir, "root")
	must(t, os.MkdirAll(filepath.Join(root, "d", "sub"), 0o755), write(filepath.Join(root, "d", "f"), ""),
		os.Symlink("../outside", filepath.Join(root, "link")))
	r := start(t, root, Options{})
	r.m.mu.Lock()
	r.m.onList = func(l Listing) error {
		for _, f := range l.Files {
			if f.Name == "secret" {
				t.Errorf("%s/secret is listed", l.Dir)
			}
		}
		return nil
	}
	r.m.mu.Unlock()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, "d"), unix.AT_FDCWD, filepath.Join(root, "link"), unix.RENAME_EXCHANGE)
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 300 {
		c := scanOf(t, root, Options{})
		for _, p := range c.paths() {
			if strings.HasSuffix(p, "secret") {
				t.Errorf("%s is listed", p)
			}
		}
	}
	close(stop)
	wg.Wait()
	r.check()
}

// Kernels before 5.6 and some sandboxes have no openat2.
func TestWithoutOpenat2(t *testing.T) {
	dir := t.TempDir()
	makeTree(t, dir, 20, 50)
	must(t, os.Symlink("/etc", filepath.Join(dir, "d0", "etc")))
	r, err := openRoot(dir, false)
	must(t, err)
	defer r.close()
	r.manual = true
	c := new(collector)
	p := newPass(c, Options{}.withDefaults(), nil, r)
	must(t, p.run(t.Context(), []string{""}, true, 2))
	if got, want := len(c.paths()), len(disk(t, dir)); got != want {
		t.Errorf("%d files, want %d", got, want)
	}
	for _, path := range []string{"d0/etc", "d0/etc/ssl"} {
		if _, err := r.open(path); err == nil || !isGone(err) {
			t.Errorf("open %s: %v", path, err)
		}
	}
}
