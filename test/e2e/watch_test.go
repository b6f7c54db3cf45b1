package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestStatusWatch looks on while files arrive, the agent ends and another one
// starts, and ends by Ctrl-C, which is no failure. That it ends at once is held
// by a test with a clock of its own, beside the code.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"settle": "20ms"}, nil)
	d := start(t, config)
	d.waitLog("control socket is open")

	var out, complaints buffer
	cmd := exec.Command(bin, "-c", config, "status", "--watch")
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // the race detector likes to sleep at the end
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	write(t, filepath.Join(source, "a.txt"), "a")
	waitFor(t, "two looks at an agent with one file", func() bool {
		return strings.Count(out.String(), "JOB ") >= 2 && strings.Contains(out.String(), "docs  watching  0 ")
	})
	if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "RATE") {
		t.Errorf("escape sequences, or no rates:\n%s", text)
	}
	d.stop(syscall.SIGTERM)
	waitFor(t, "a word about the end of the agent", func() bool {
		return strings.Contains(complaints.String(), "agent is not running") && strings.Contains(complaints.String(), "trying again")
	})
	blocks := strings.Count(out.String(), "JOB ")
	start(t, config)
	waitFor(t, "a look at the next agent", func() bool { return strings.Count(out.String(), "JOB ") > blocks })

	begun := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(cmd.Wait()); code != 0 {
		t.Errorf("exit code %d after Ctrl-C: %s", code, complaints.String())
	}
	t.Logf("ended %v after Ctrl-C", time.Since(begun))
	if n := strings.Count(complaints.String(), "trying again"); n != 1 {
		t.Errorf("said %d times that it tries again:\n%s", n, complaints.String())
	}
}

// TestWaitInterrupted ends a wait that would not end by itself.
func TestWaitInterrupted(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, box.Job{"source": filepath.Join(t.TempDir(), "nowhere")}, nil)
	start(t, config).waitLog("control socket is open")

	var out bytes.Buffer
	var complaints buffer
	cmd := exec.Command(bin, "-c", config, "wait")
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	waitFor(t, "a word about the job", func() bool { return strings.Contains(complaints.String(), "job docs: the job does not run") })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(cmd.Wait()); code != 1 || out.Len() > 0 || !strings.Contains(complaints.String(), "osssync: interrupted") {
		t.Errorf("exit code %d, output %q, complaints %q", code, out.String(), complaints.String())
	}
	if n := strings.Count(complaints.String(), "does not run"); n != 1 {
		t.Errorf("said %d times what is wrong: %s", n, complaints.String())
	}
}
