package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestAgentIsFoundWithoutItsFile changes and removes what tells where the agent's
// state is. The agent, at the socket that any agent may have, is found by the name
// of its configuration file all the same.
func TestAgentIsFoundWithoutItsFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to mount")
	}
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		t.Skipf("SKIPPED: no mount namespace can be made here: %v", err)
	}
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, nil, nil)
	d := start(t, config, "unshare", "-m", "sh", "-c", `mount -t tmpfs tmpfs /run && mkdir /run/osssync && exec "$@"`, "sh")
	d.waitLog("control socket is open")
	ask := func(want int, says string, args ...string) {
		t.Helper()
		enter := []string{"-t", strconv.Itoa(d.cmd.Process.Pid), "-m", bin}
		out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
		if code := exitCode(err); code != want || !strings.Contains(string(out), says) {
			t.Errorf("%q: exit code %d, want %d and %q\n%s", args, code, want, says, out)
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	write(t, config, strings.ReplaceAll(string(text), stateDir(b), other))
	ask(0, "docs", "-c", config, "status")
	ask(0, "agent.state_dir", "-c", config, "reload")
	write(t, config, "this is no TOML")
	ask(0, "docs", "-c", config, "status")
	ask(78, config, "-c", config, "reload")
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	ask(0, "docs", "-c", config, "status")
	ask(78, "no such file", "-c", config, "reload")
	ask(0, "paused: docs", "-c", config, "pause")

	// A client of another file is told what was tried.
	third := filepath.Join(other, "third.toml")
	ask(7, "the one at /run/osssync/osssync.sock has another state directory", "-c", third, "pause")
	ask(7, third, "-c", third, "reload")
}
