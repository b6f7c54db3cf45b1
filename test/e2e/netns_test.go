//go:build linux

package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/test/sandbox/box"
)

// metadataAddr is where the real service is, and in a namespace the sandbox.
const metadataAddr = "100.100.100.200:80"

// enterNamespace moves this test into a network namespace of its own, in which
// there is only the loopback interface; it holds the address of the metadata
// service too, so nothing that is sent there can leave. The test's thread stays
// in it, and ends with the test: what it listens on, and the commands that it
// starts itself, are in the namespace.
func enterNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to make a network namespace")
	}
	runtime.LockOSThread() // for ever: no other goroutine may get this thread
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
			t.Skipf("SKIPPED: no network namespace can be made here: %v", err)
		}
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	raise := func(name string, addr []byte) {
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			t.Fatal(err)
		}
		if addr != nil {
			if err := ifr.SetInet4Addr(addr); err != nil {
				t.Fatal(err)
			}
			if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifr); err != nil {
				t.Fatalf("set address of %s: %v", name, err)
			}
		}
		ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
			t.Fatalf("raise %s: %v", name, err)
		}
	}
	raise("lo", nil)
	raise("lo:1", []byte{100, 100, 100, 200})
}

// inNamespace runs a command and returns what it wrote. It must be called by
// the test's own goroutine.
func inNamespace(t *testing.T, home, config string, args ...string) (output string, code int, took time.Duration) {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"-c", config}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	return string(out), exitCode(err), time.Since(begun)
}

// TestDefaultEndpoint runs osssync without a word on credentials in its
// configuration, as on an instance.
func TestDefaultEndpoint(t *testing.T) {
	t.Parallel()
	enterNamespace(t)
	b := box.Start(t, box.Options{MetadataAddr: metadataAddr})
	dir := t.TempDir()
	empty, full := filepath.Join(dir, "empty.toml"), filepath.Join(dir, "osssync.toml")
	state := "[agent]\nstate_dir = \"" + filepath.Join(dir, "state") + "\"\n"
	write(t, empty, state)
	source := filepath.Join(dir, "source")
	write(t, filepath.Join(source, "file"), "content")
	write(t, full, "[oss]\nbucket = \""+b.Bucket+"\"\nendpoint = \""+b.OSSEndpoint+"\"\n"+state+
		"[[job]]\nname = \"docs\"\nsource = \""+source+"\"\nprefix = \"{instance_id}/\"\n")

	out, code, _ := inNamespace(t, dir, empty, "creds")
	if code != 0 || !strings.Contains(out, b.ECS.Role()) || !strings.Contains(out, b.ECS.Options().InstanceID) {
		t.Errorf("creds: exit code %d: %s", code, out)
	}
	if n := b.ECS.Requests().Count(); n == 0 {
		t.Error("the sandbox was not asked")
	}
	if out, code, _ := inNamespace(t, dir, full, "sync"); code != 0 {
		t.Errorf("sync: exit code %d: %s", code, out)
	}
	b.WaitForKeys(t, patience, b.ECS.Options().InstanceID+"/file")
	if out, code, _ := inNamespace(t, dir, full, "doctor"); code != 0 || !strings.Contains(out, "http://100.100.100.200 answers in hardened mode") {
		t.Errorf("doctor: exit code %d: %s", code, out)
	}
}

// TestNoConfig lists the buckets of the instance's region where no configuration
// says anything else; a file that was named must be there.
func TestNoConfig(t *testing.T) {
	t.Parallel()
	if exists(config.DefaultPath()) {
		t.Skipf("SKIPPED: %s is there", config.DefaultPath())
	}
	enterNamespace(t)
	b := box.Start(t, box.Options{MetadataAddr: metadataAddr})
	env := append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "OSSSYNC_CONFIG=") }), "HOME="+t.TempDir())
	for _, tt := range []struct {
		args, env []string
		code      int
		want      string
	}{
		{[]string{"ls"}, nil, 1, "oss-cn-hangzhou-internal.aliyuncs.com"}, // which nobody knows in here
		{[]string{"ls", "-c", "missing"}, nil, 78, "missing"},
		{[]string{"ls"}, []string{"OSSSYNC_CONFIG=missing"}, 78, "missing"},
	} {
		before := b.ECS.Requests().Count()
		cmd := exec.Command(bin, tt.args...)
		cmd.Env = append(env, tt.env...)
		out, err := cmd.CombinedOutput()
		if exitCode(err) != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%v %v: exit code %d: %s", tt.env, tt.args, exitCode(err), out)
		}
		if asked := b.ECS.Requests().Count() > before; asked != (tt.code != 78) {
			t.Errorf("%v %v: metadata service asked: %t", tt.env, tt.args, asked)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestBlackHole has the address swallow everything: what connects there gets no
// answer, not even a refusal. A one-shot must say so in seconds.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	enterNamespace(t)
	swallow(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "osssync.toml")
	write(t, config, "[oss]\nbucket = \"sandbox\"\nregion = \"cn-hangzhou\"\n[agent]\nstate_dir = \""+filepath.Join(dir, "state")+"\"\n")
	for _, args := range [][]string{{"creds"}, {"ls"}, {"doctor"}} {
		out, code, took := inNamespace(t, dir, config, args...)
		t.Logf("%v took %v", args, took)
		// Each takes two attempts to connect of one second; the rest is for
		// machines that have more to do.
		if code != 4 || took > 5*time.Second+slack {
			t.Errorf("%v: exit code %d after %v", args, code, took)
		}
		if !strings.Contains(out, "i/o timeout") || !strings.Contains(out, "keeps this process from 100.100.100.200 port 80") {
			t.Errorf("%v does not say what is wrong and what to do: %s", args, out)
		}
	}
}

// TestNobodyListens has the address refuse connections.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	enterNamespace(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "osssync.toml")
	write(t, config, "[agent]\nstate_dir = \""+filepath.Join(dir, "state")+"\"\n")
	out, code, took := inNamespace(t, dir, config, "creds")
	if code != 4 || took > 5*time.Second+slack || !strings.Contains(out, "hint: ") {
		t.Errorf("exit code %d after %v: %s", code, took, out)
	}
}

// slack is what a slow machine gets besides the time that is promised.
const slack = 15 * time.Second

// swallow makes connections to the metadata service hang: a listener accepts
// none, and its queue is full, so that the kernel drops what comes.
func swallow(t *testing.T) {
	t.Helper()
	addr := &unix.SockaddrInet4{Port: 80, Addr: [4]byte{100, 100, 100, 200}}
	socket := func(flags int) int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	l := socket(0)
	if err := errors.Join(unix.Bind(l, addr), unix.Listen(l, 0)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := unix.Connect(socket(unix.SOCK_NONBLOCK), addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
	}
	c, err := net.DialTimeout("tcp", metadataAddr, time.Second)
	if err == nil {
		c.Close()
		t.Fatal("the address answers: it is no black hole")
	}
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		t.Fatalf("the address refuses: it is no black hole: %v", err)
	}
}
