//go:build unix

package agent

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// testSocket returns the path of a socket that nobody has.
func testSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // shorter than t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "osssync.sock")
}

// TestSocketMode changes the process's umask, so it runs alone.
func TestSocketMode(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		path := testSocket(t)
		old := syscall.Umask(mask)
		ln, err := listenSocket(t.Context(), path)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Lstat(path); err != nil || fi.Mode() != fs.ModeSocket|0o660 {
			t.Errorf("umask %03o: %v, %v", mask, fi.Mode(), err)
		}
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := testSocket(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	first, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if second, err := listenSocket(t.Context(), path); err == nil {
		second.Close()
		t.Error("the socket of a live agent was replaced")
	}
	conn, err := dialSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()

	// What is there in its place at the end is not its own to remove.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("another file was removed: %v", err)
	}
}

func TestOtherFilesAreNoSockets(t *testing.T) {
	for name, lay := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":      func(path string) error { return os.Symlink("elsewhere", path) },
		"FIFO":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := testSocket(t)
		if err := lay(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if ln, err := listenSocket(t.Context(), path); err == nil {
			ln.Close()
			t.Errorf("%s: no error", name)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: replaced: %v", name, err)
		}
	}
}

func TestSocketPathTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath))
	_, err := listenSocket(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "/run/osssync") || !strings.Contains(err.Error(), "107") {
		t.Errorf("listen on a long path: %v", err)
	}
	if _, err := NewClient([]string{path}).Status(t.Context(), ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a client with a long path: %v", err)
	}
	// The longest that there can be.
	dir := filepath.Dir(testSocket(t))
	path = filepath.Join(dir, strings.Repeat("x", maxSocketPath-len(dir)-1))
	ln, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestCallerOf(t *testing.T) {
	path := testSocket(t)
	ln, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := dialSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if who := callerOf(server); !who.allowed || who.pid != os.Getpid() {
		t.Errorf("this process: %+v", who)
	}
	gid := uint32(os.Getegid())
	if !(peer{groups: []uint32{gid + 5, gid}}).inGroupOf(path) || (peer{groups: []uint32{gid + 5}}).inGroupOf(path) {
		t.Error("inGroupOf takes strangers, or no members")
	}
}
