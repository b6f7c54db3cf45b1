package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/test/sandbox/box"
)

// as returns the command line of a client as another user.
func as(config string, groups string, args ...string) *exec.Cmd {
	line := []string{"setpriv", "--reuid=65534", "--regid=65534", groups, "--", bin, "-c", config}
	return exec.Command("env", append(append([]string{"HOME=/nonexistent"}, line...), args...)...)
}

func TestControlSocketIsPrivate(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, nil, nil)
	d := start(t, config)
	settle(t, d.control(b))
	fi, err := os.Lstat(socketOf(b))
	if err != nil || fi.Mode().Perm() != 0o660 {
		t.Fatalf("socket: %v, %v", fi, err)
	}
	for dir := stateDir(b); dir != "/"; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		} else if fi.Mode()&0o011 == 0o011 {
			continue
		} else if err := os.Chmod(dir, fi.Mode()|0o011); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string) {
		t.Helper()
		out, err := as(config, "--clear-groups", "status").CombinedOutput()
		if code := exitCode(err); code != 1 || !strings.Contains(string(out), socketOf(b)+": permission denied") {
			t.Errorf("%s: exit code %d: %s", what, code, out)
		}
	}
	refused("a user of no group")
	if err := os.Chown(socketOf(b), 0, 65533); err != nil {
		t.Fatal(err)
	}
	if out, err := as(config, "--groups=65533", "status").CombinedOutput(); err != nil || !strings.Contains(string(out), "docs") {
		t.Errorf("a member of the group: %v: %s", err, out)
	}
	// Whatever became of the file's mode, strangers are not served.
	if err := os.Chmod(socketOf(b), 0o666); err != nil {
		t.Fatal(err)
	}
	refused("a user of no group, socket open to all")
	d.waitLog("stranger at the control socket")
}

// TestStaleSocket kills the agent and starts the next over what it has left.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, nil, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	d.stop(syscall.SIGKILL)
	if _, err := os.Lstat(socketOf(b)); err != nil {
		t.Fatalf("a killed agent left no socket: %v", err)
	}
	if _, err := c.Status(within(t), ""); !errors.Is(err, agent.ErrNotRunning) {
		t.Errorf("status with a socket of a dead agent: %v", err)
	}
	d = start(t, config)
	settle(t, d.control(b))

	// A second agent of the same state directory neither runs nor takes it.
	out, err := exec.CommandContext(within(t), bin, "-c", config, "run").CombinedOutput()
	if code := exitCode(err); code != 1 || !strings.Contains(string(out), fmt.Sprint(d.cmd.Process.Pid)) {
		t.Errorf("a second agent: exit code %d: %s", code, out)
	}
	if st, err := c.Status(within(t), ""); err != nil || st.PID != d.cmd.Process.Pid {
		t.Errorf("status after a second agent: %+v, %v", st, err)
	}
}

// TestNoSocket has another file where the socket should be. The agent works
// without, and says so.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, socketOf(b), "precious")
	write(t, filepath.Join(source, "file"), "text")
	d := start(t, config)
	d.waitLog("no control socket: status, wait and the like cannot reach this agent")
	waitMirror(t, b, source)
	d.stop(syscall.SIGTERM)
	if text, err := os.ReadFile(socketOf(b)); err != nil || string(text) != "precious" {
		t.Errorf("the other file: %q, %v", text, err)
	}
}
