//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/test/sandbox/box"
)

// A manager is systemd as the agent sees it: a socket that takes messages.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	env  []string // for the agent

	mu   sync.Mutex
	said []string // each a message
}

// newManager wants a sign of life within the time, 0 for none.
func newManager(t *testing.T, watchdog time.Duration) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "nfy") // short, as the names of sockets must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, conn: conn, env: []string{"env", "NOTIFY_SOCKET=" + path}}
	if watchdog > 0 {
		m.env = append(m.env, "WATCHDOG_USEC="+strconv.FormatInt(watchdog.Microseconds(), 10))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 8192)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return m
}

// count returns how many messages contain a line.
func (m *manager) count(line string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, msg := range m.said {
		for l := range strings.SplitSeq(msg, "\n") {
			if strings.HasPrefix(l, line) {
				n++
				break
			}
		}
	}
	return n
}

// wait waits until n messages contain a line.
func (m *manager) wait(line string, n int) {
	m.t.Helper()
	waitFor(m.t, fmt.Sprintf("%d messages with %s", n, line), func() bool { return m.count(line) >= n })
}

// TestNotify has the agent tell when it is ready, reloads and stops.
func TestNotify(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "file"), "content")
	m := newManager(t, 0)
	d := start(t, config, m.env...)
	m.wait("READY=1", 1)
	m.wait("STATUS=1 jobs: ", 1)
	d.waitLog("scanned") // it had begun when it was ready
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.wait("RELOADING=1", 1)
	m.wait("MONOTONIC_USEC=", 1)
	m.wait("READY=1", 2)
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	m.wait("STOPPING=1", 1)
	m.wait("EXTEND_TIMEOUT_USEC=35000000", 1) // stop_grace and 15 s
	if m.count("WATCHDOG=1") != 0 {
		t.Error("a watchdog was fed that is not there")
	}
}

// TestReadyWithoutCredential has nothing work: that is known, so the start is
// over, and systemd must not wait for it to time out.
func TestReadyWithoutCredential(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	if err := b.Down(box.Metadata); err != nil {
		t.Fatal(err)
	}
	config, _ := configure(t, b, box.Job{"prefix": "{instance_id}/"}, nil)
	m := newManager(t, 0)
	start(t, config, m.env...)
	m.wait("READY=1", 1)
	m.wait("STATUS=1 jobs: 1 error; nothing pending; no credential: ", 1)
}

// TestWatchdogOutage has all the network fail: the watchdog is fed on.
func TestWatchdogOutage(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	m := newManager(t, 2*time.Second)
	start(t, config, m.env...)
	m.wait("READY=1", 1)
	for _, s := range []box.Service{box.OSS, box.Metadata, box.STS} {
		if err := b.Down(s); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		write(t, filepath.Join(source, strconv.Itoa(i)), "cannot be sent now")
	}
	m.wait("WATCHDOG=1", m.count("WATCHDOG=1")+3)
}

// TestWatchdogStuck freezes the file system of the index, so that the committer
// hangs in a commit: then the watchdog is not fed, and is again after that.
func TestWatchdogStuck(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	state := frozenDisk(t)
	config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"state_dir": state.dir}})
	m := newManager(t, time.Second)
	start(t, config, m.env...)
	t.Cleanup(func() { _ = state.freeze(false) }) // before the agent is killed, which it could not be
	m.wait("WATCHDOG=1", 2)
	if err := state.freeze(true); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "file"), "its entry cannot be committed")
	b.WaitForKeys(t, patience, "file")
	// What was felt before the commit may still be on its way.
	fed := m.count("WATCHDOG=1")
	time.Sleep(2 * time.Second)
	if n := m.count("WATCHDOG=1") - fed; n > 1 {
		t.Errorf("fed %d times while the index hung", n)
	}
	if err := state.freeze(false); err != nil {
		t.Fatal(err)
	}
	m.wait("WATCHDOG=1", m.count("WATCHDOG=1")+2)
}

// A disk is a mounted file system of its own, in a file.
type disk struct{ dir string }

// frozenDisk mounts one that can be frozen.
func frozenDisk(t *testing.T) disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to freeze a file system")
	}
	base := t.TempDir()
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "disk")
	write(t, image, "")
	if err := errors.Join(os.Truncate(image, 64<<20), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: no file system can be mounted here: %v: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return disk{dir}
}

// freeze stops all writes to the disk, or lets them go on.
func (d disk) freeze(on bool) error {
	const fifreeze, fithaw = 0xc0045877, 0xc0045878
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	request := uint(fithaw)
	if on {
		request = fifreeze
	}
	return unix.IoctlSetInt(int(f.Fd()), request, 0)
}
