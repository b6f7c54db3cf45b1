//go:build linux

package packages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A machine is a tree that has booted, and boots again when it is told to.
type machine struct {
	t     *testing.T
	root  string // its file system
	netns string // path of its network namespace; "" for one of its own
	log   string // its console

	cgroups []string // of its own; nil for none
	cancel  context.CancelFunc
	ended   chan struct{}

	isUp func() bool // says whether it has booted

	mu   sync.Mutex
	proc int // of systemd-nspawn
}

// exitReboot is what systemd-nspawn returns when the machine wants to reboot
// and there is no systemd to ask for it.
const exitReboot = 133

// boot starts a machine with systemd.
func boot(t *testing.T, root, netns string) *machine {
	t.Helper()
	return bootAs(t, root, netns, func(m *machine) bool {
		state, _ := m.try("systemctl", "is-system-running")
		return state == "running" || state == "degraded"
	})
}

// bootAs starts a machine that runs until the test ends; where it can have no
// cgroups of its own, when no other does.
func bootAs(t *testing.T, root, netns string, isUp func(*machine) bool) *machine {
	t.Helper()
	need(t, "systemd-nspawn", "nsenter")
	groups, err := cgroups(filepath.Base(filepath.Dir(root)))
	if err != nil {
		t.Logf("one machine at a time, for it has no cgroups of its own: %v", err)
		shared.turn.Lock()
		t.Cleanup(shared.turn.Unlock)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &machine{t: t, root: root, netns: netns, log: filepath.Join(filepath.Dir(root), "console"), cgroups: groups, cancel: cancel, ended: make(chan struct{})}
	m.isUp = func() bool { return isUp(m) }
	if err := os.WriteFile(filepath.Join(root, "etc/machine-id"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(m.ended)
		for m.spawn(ctx) {
		}
	}()
	t.Cleanup(m.end)
	m.waitUp()
	return m
}

// spawn runs the machine until it is off, and says whether to run it again.
func (m *machine) spawn(ctx context.Context) (again bool) {
	network := "--private-network"
	if m.netns != "" {
		network = "--network-namespace-path=" + m.netns
	}
	console, err := os.OpenFile(m.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		m.t.Error(err)
		return false
	}
	defer console.Close()
	cmd := exec.CommandContext(ctx, "sh", "-c", `for c in $CGROUPS; do echo $$ >"$c/cgroup.procs" || exit; done; exec systemd-nspawn "$@"`,
		"sh", "--register=no", "--keep-unit", "--boot", "--console=read-only", network, "-D", m.root)
	cmd.Env = append(os.Environ(), "CGROUPS="+strings.Join(m.cgroups, " "))
	if strings.Contains(m.root, "trixie") { // which has given up cgroup v1
		cmd.Env = append(cmd.Env, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.Cancel = func() error { // not gently: nothing of it is needed any more
		if pid := m.leader(); pid != 0 {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
		return cmd.Process.Kill()
	}
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		m.t.Error(err)
		return false
	}
	m.setProc(cmd.Process.Pid)
	_ = cmd.Wait() // its code says more
	m.setProc(0)
	return cmd.ProcessState.ExitCode() == exitReboot && ctx.Err() == nil
}

func (m *machine) setProc(pid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proc = pid
}

// end turns the machine off.
func (m *machine) end() {
	if m.t.Failed() {
		console, _ := os.ReadFile(m.log)
		journal, _ := m.try("journalctl", "--no-pager", "-n", "60", "-u", "osssync")
		m.t.Logf("console:\n%s\njournal:\n%s", tail(string(console), 20), journal)
	}
	m.cancel()
	<-m.ended
	waitFor(m.t, "the machine's cgroups to be empty", func() bool { return removeCgroups(m.cgroups) == nil })
}

// leader returns the process id of the machine's systemd, 0 while it has none.
func (m *machine) leader() int {
	m.mu.Lock()
	proc := m.proc
	m.mu.Unlock()
	if proc == 0 {
		return 0
	}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", proc, proc))
	first, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	pid, _ := strconv.Atoi(first)
	return pid
}

// try runs a command on the machine.
func (m *machine) try(args ...string) (string, error) {
	pid := m.leader()
	if pid == 0 {
		return "", fmt.Errorf("the machine is off")
	}
	enter := append([]string{"nsenter", "-t", strconv.Itoa(pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "env", "-i",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}, args...)
	out, err := exec.Command(enter[0], enter[1:]...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// run is try for what may not fail.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// waitUp waits until the machine has booted.
func (m *machine) waitUp() {
	m.t.Helper()
	waitFor(m.t, "the machine", m.isUp)
}

// reboot boots the machine anew, by a command that tells it to.
func (m *machine) reboot(command ...string) {
	m.t.Helper()
	before := m.leader()
	m.run(command...)
	waitFor(m.t, "the reboot", func() bool { now := m.leader(); return now != 0 && now != before })
	m.waitUp()
}

// write writes a file of the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	full := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// copy copies a file of this machine to /root of that one.
func (m *machine) copy(path string) string {
	m.t.Helper()
	to := filepath.Join("/root", filepath.Base(path))
	must(m.t, "cp", path, filepath.Join(m.root, to))
	return to
}

// exists says whether the machine has a file.
func (m *machine) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(m.root, path))
	return err == nil
}

// prop returns a property of the service.
func (m *machine) prop(name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "-p", name, "--value", "osssync")
}

// waitProp waits until a property of the service has a value.
func (m *machine) waitProp(name, want string) {
	m.t.Helper()
	last := ""
	for end := time.Now().Add(patience); last != want; time.Sleep(100 * time.Millisecond) {
		last, _ = m.try("systemctl", "show", "-p", name, "--value", "osssync")
		if time.Now().After(end) {
			m.t.Fatalf("%s of the service is %q, not %q", name, last, want)
		}
	}
}
