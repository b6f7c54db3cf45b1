package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestNoCoreFile kills the agent in the way that leaves a core file, under a
// limit that allows one. The token is in the process's memory, so none may be.
func TestNoCoreFile(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "file"), "x")
	dir := t.TempDir()
	d := start(t, config, "sh", "-c", "ulimit -c unlimited; cd '"+dir+"'; GOTRACEBACK=crash exec \"$@\"", "sh")
	waitMirror(t, b, source)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("a core file is allowed:\n%s", limits)
	}
	if code := d.stop(syscall.SIGABRT); code == 0 {
		t.Error("the agent ended well after SIGABRT")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the working directory: %v, %v", left, err)
	}
}
