//go:build unix

package creds

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// platformChildren are this system's for TestMain.
func platformChildren() map[string]func(string) {
	return map[string]func(string){"die": childDie, "stranger": childStranger}
}

func mode(t testing.TB, path string) os.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode()
}

func TestCacheModes(t *testing.T) {
	for _, umask := range []int{0, 0o777} {
		dir := tempCache(t)
		old := unix.Umask(umask)
		bubble(t, func(t *testing.T) { newBench(t, cached(dir)).want(t, "STS.app.1") })
		unix.Umask(old)
		if m := mode(t, dir); m != os.ModeDir|0o700 {
			t.Errorf("umask %o: directory is %v", umask, m)
		}
		if m := mode(t, filepath.Join(dir, "v1.json")); m != 0o600 {
			t.Errorf("umask %o: file is %v", umask, m)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 2 {
			t.Errorf("umask %o: %v in the directory, want the file and its lock", umask, entries)
		}
	}
}

// A directory that others can enter is neither used nor changed.
func TestCacheDirectoryIsOpen(t *testing.T) {
	for _, open := range []os.FileMode{0o755, 0o770, 0o701, 0o777 | os.ModeSticky} {
		bubble(t, func(t *testing.T) {
			dir, f := fill(t)
			if err := os.Chmod(dir, open); err != nil {
				t.Fatal(err)
			}
			b := benchOn(t, f, cached(dir))
			if s := b.want(t, "STS.app.1"); s.Source != "metadata" || mode(t, dir) != os.ModeDir|open {
				t.Errorf("%v: taken from %s; now %v", open, s.Source, mode(t, dir))
			}
			if !strings.Contains(b.logs.String(), "0700 is needed") {
				t.Errorf("not logged:\n%s", b.logs)
			}
		})
	}
}

// Something else is where the file belongs: it is neither believed nor waited
// for, and a good file takes its place.
func TestHostileCacheFile(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]func(t *testing.T, path string){
		"symbolic link to a good file": func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".real"))
			must(t, os.Symlink(path+".real", path))
		},
		"dangling link":  func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Symlink("/nowhere", path)) },
		"link to itself": func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Symlink(path, path)) },
		"hard link":      func(t *testing.T, path string) { must(t, os.Link(path, path+".second")) },
		"FIFO":           func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, unix.Mkfifo(path, 0o600)) },
		"socket": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			must(t, err)
			t.Cleanup(func() { _ = unix.Close(fd) })
			t.Chdir(filepath.Dir(path)) // a socket's path is short
			must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(path)}))
		},
		"readable to all":       func(t *testing.T, path string) { must(t, os.Chmod(path, 0o604)) },
		"writable to the group": func(t *testing.T, path string) { must(t, os.Chmod(path, 0o620)) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir, f := fill(t)
				path := filepath.Join(dir, "v1.json")
				spoil(t, path)
				b := benchOn(t, f, cached(dir))
				if s := b.want(t, "STS.app.1"); s.Source != "metadata" {
					t.Errorf("snapshot is from %s", s.Source)
				}
				if !strings.Contains(b.logs.String(), "not a private regular file") {
					t.Errorf("not logged:\n%s", b.logs)
				}
				if m := mode(t, path); m != 0o600 {
					t.Errorf("afterwards the file is %v", m)
				}
			})
		})
	}
}

// A directory in the file's place cannot be replaced; nothing else suffers.
func TestCacheFileIsDirectory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := tempCache(t)
		if err := os.MkdirAll(filepath.Join(dir, "v1.json", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, cached(dir))
		b.want(t, "STS.app.1")
		if !strings.Contains(b.logs.String(), "credential not cached") {
			t.Errorf("not logged:\n%s", b.logs)
		}
	})
}

// The directory itself is a link, as somebody who can write its parent could
// make it.
func TestCacheDirectoryIsLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		link := dir + ".link"
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		b := benchOn(t, f, cached(link))
		if s := b.want(t, "STS.app.1"); s.Source != "metadata" {
			t.Errorf("snapshot is from %s", s.Source)
		}
	})
}

// A lock file that somebody made a FIFO or a link does not stop anything.
func TestHostileLock(t *testing.T) {
	for _, spoil := range []func(path string) error{
		func(path string) error { return unix.Mkfifo(path, 0o600) },
		func(path string) error { return os.Symlink("/etc/passwd", path) },
		func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		bubble(t, func(t *testing.T) {
			dir := tempCache(t)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(dir, "v1.json.lock")); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			newBench(t, cached(dir)).want(t, "STS.app.1")
			if took := time.Since(begin); took != 0 {
				t.Errorf("took %v", took)
			}
		})
	}
}

// What is in the file is nowhere else: not in the log of a whole life.
func TestSecretsStayInTheFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		if !bytes.Contains(read(t, filepath.Join(dir, "v1.json")), []byte(secretMark)) {
			t.Fatal("the test looks for the wrong thing")
		}
		b := benchOn(t, f, cached(dir))
		stop := b.start(t)
		time.Sleep(20 * time.Hour)
		f.fail("", http.StatusInternalServerError)
		time.Sleep(20 * time.Hour)
		stop()
		_, err := b.Get(t.Context())
		noSecrets(t, fmt.Sprintf("%v %+v %#v %s", err, err, err, b.logs))
	})
}
