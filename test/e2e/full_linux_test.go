package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// onSmallDisk is a command that runs another one with a small disk of its own as
// its state directory.
func onSmallDisk(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to mount")
	}
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		t.Skipf("SKIPPED: no mount namespace can be made here: %v", err)
	}
	return append([]string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=600k tmpfs "$1" && shift && exec "$@"`, "sh", dir}, args...)
}

// TestDiskFull: a pass whose index has no room any more ends and says so; the
// agent says so too, waits, and goes on when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	state := t.TempDir()
	config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"state_dir": state}})
	long := strings.Repeat("long-name-", 20)
	for i := range 2000 {
		write(t, filepath.Join(source, fmt.Sprint(long, i)), "text")
	}
	args := onSmallDisk(t, state, bin, "-c", config, "sync", "--json")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	var errs strings.Builder
	cmd.Stderr = &errs
	_, err := cmd.Output()
	if code := exitCode(err); code != 3 && code != 1 || !strings.Contains(errs.String(), "index: cannot be written") ||
		!strings.Contains(errs.String(), "hint: make room on the disk of the state directory") {
		t.Errorf("sync: exit code %d\n%s", code, errs.String())
	}

	d := start(t, config, onSmallDisk(t, state)...)
	inside := func(args ...string) string {
		t.Helper()
		args = append([]string{"-t", strconv.Itoa(d.cmd.Process.Pid), "-m"}, args...)
		out, err := exec.Command("nsenter", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("nsenter %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	d.waitLog("index cannot be written, trying again")
	waitFor(t, "the status to say so", func() bool {
		status := inside(bin, "-c", config, "status")
		return strings.Contains(status, "error") && strings.Contains(status, "index: cannot be written")
	})
	inside("mount", "-o", "remount,size=64m", state)
	d.waitLog("index can be written again")
	waitMirror(t, b, source)
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
