package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// intoFull runs a command whose standard output can store nothing.
func intoFull(t *testing.T, config string, args ...string) (errs string, code int) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var b strings.Builder
	cmd := exec.Command(bin, append([]string{"-c", config}, args...)...)
	cmd.Stdout, cmd.Stderr = full, &b
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	err = cmd.Run()
	return b.String(), exitCode(err)
}

// failsOnFull wants each command to fail because of its output, and to say so
// once.
func failsOnFull(t *testing.T, config string, commands ...string) {
	t.Helper()
	const want = "osssync: write standard output: no space left on device\n"
	for _, command := range commands {
		errs, code := intoFull(t, config, strings.Fields(command)...)
		if code != 1 || !strings.Contains(errs, want) || strings.Count(errs, "no space left") != 1 {
			t.Errorf("%s: exit code %d, %q", command, code, errs)
		}
	}
}

// TestStdoutFull: no command that could not print succeeds, and what it was to do
// besides is done.
func TestStdoutFull(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "a"), "text")
	write(t, filepath.Join(source, "dir", "b"), "text")
	object := "oss://" + b.Bucket + "/a"

	failsOnFull(t, config, "sync --dry-run", "sync --dry-run --json")
	if objects, err := b.Objects(); err != nil || len(objects) > 0 {
		t.Errorf("objects %v, %v", objects, err)
	}
	failsOnFull(t, config, "sync")
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("sync: %s", diff)
	}
	write(t, filepath.Join(source, "a"), "other text")
	failsOnFull(t, config, "sync --json")
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("sync --json: %s", diff)
	}
	failsOnFull(t, config, "verify", "verify --json", "verify --repair", "sync",
		"ls", "ls -l -r", "ls --json", "ls oss://"+b.Bucket, "put "+config+" "+object, "cat "+object, "stat "+object, "stat --json "+object,
		"creds", "creds --json", "policy", "policy --trust", "filter "+source+"/a", "filter /nowhere",
		"config check", "config show", "config schema", "why "+source+"/a", "why --json "+source+"/a", "doctor", "doctor --json",
		"version", "version --json", "completion bash", "completion zsh", "completion fish", "completion powershell",
		"man "+t.TempDir(), "", "--help", "sync --help", "help", "help sync", "help config check", "service", "service status")

	d := start(t, config)
	d.waitLog("scanned")
	failsOnFull(t, config, "status", "status --json", "status --watch", "wait", "wait --json", "why "+source+"/a", "why --json "+source+"/a",
		"pause", "resume", "retry", "rescan", "reload")
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What failed besides is not hidden by an output that failed too.
func TestStdoutFullBesides(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "a"), "text")
	if _, code := pass(t, config); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	write(t, filepath.Join(source, "a"), "other text")
	errs, code := intoFull(t, config, "verify")
	if code != 3 || !strings.Contains(errs, "osssync: verify: 1 differences in 1 files\n") ||
		!strings.Contains(errs, "osssync: write standard output: no space left on device\n") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// Nobody is told that `osssync … | head` read no more.
func TestStdoutGone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var errs strings.Builder
	cmd := exec.Command(bin, "config", "schema")
	cmd.Stdout, cmd.Stderr = w, &errs
	err = cmd.Run()
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGPIPE || errs.Len() > 0 {
		t.Errorf("%v, %q", err, errs.String())
	}
}
