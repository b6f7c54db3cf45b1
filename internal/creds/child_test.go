package creds

import (
	"bytes"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"testing"
)

const childVariable = "OSSSYNC_CREDS_TEST_CHILD"

// TestMain lets the test binary be run again as a process that does one of
// these.
func TestMain(m *testing.M) {
	children := map[string]func(arg string){
		"proxy":   childProxy,
		"refresh": childRefresh,
	}
	for name, f := range platformChildren() {
		children[name] = f
	}
	if child, ok := children[os.Getenv(childVariable)]; ok {
		child(os.Args[1])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child returns this test binary as a command that does as the named child.
func child(t testing.TB, name string, env []string, arg string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, arg)
	// The race detector would have the child sleep for a second at its end.
	cmd.Env = append(append(os.Environ(), env...), childVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// runChild runs such a command and returns its output.
func runChild(t testing.TB, name string, env []string, arg string) string {
	t.Helper()
	cmd := child(t, name, env, arg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child %s: %v\n%s", name, err, stderr.String())
	}
	return string(out)
}

func discardLog() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }

func textLogger(w *logBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
