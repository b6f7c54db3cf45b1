// Package e2e drives the real binary, built with the race detector where there
// is one, against the sandbox: with real files, real signals and real faults.
//
// What a user types is a script in testdata; what needs a running agent, a
// clock or a server that misbehaves is a Go test.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is the osssync under test, made once by TestMain.
var bin string

func TestMain(m *testing.M) {
	if arg := os.Getenv(writerEnv); arg != "" {
		if err := writeAsTold(arg); err != nil {
			fmt.Fprintln(os.Stderr, "writer:", err)
			os.Exit(1)
		}
		return
	}
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "osssync-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // for tests that drop their privileges
		return 1, err
	}
	bin = filepath.Join(dir, "osssync")
	args := []string{"build", "-o", bin}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "github.com/osssync/osssync/cmd/osssync")...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 1, fmt.Errorf("build osssync: %w", err)
	}
	return m.Run(), nil
}
