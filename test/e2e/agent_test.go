package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
)

// patience is how long tests wait for what must happen; no test needs to be
// near it, for a slow machine is no bug.
const patience = 2 * time.Minute

// A daemon is an `osssync run` under test.
type daemon struct {
	t      *testing.T
	config string
	cmd    *exec.Cmd
	log    *buffer
	exit   chan error
}

// A buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs the agent until the test ends or it is stopped.
func start(t *testing.T, config string, prefix ...string) *daemon {
	t.Helper()
	args := append(prefix, bin, "-c", config, "--log-format", "json", "run")
	d := &daemon{t: t, config: config, cmd: exec.Command(args[0], args[1:]...), log: &buffer{}, exit: make(chan error, 1)}
	d.cmd.Stderr = d.log
	d.cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.exit <- d.cmd.Wait() }()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.exit
		close(d.exit)
		if strings.Contains(d.log.String(), "DATA RACE") {
			t.Error("the race detector has something to say")
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", d.log)
		}
	})
	return d
}

// stop sends a signal and returns the exit code.
func (d *daemon) stop(sig syscall.Signal) int {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
	select {
	case err := <-d.exit:
		d.exit <- err
		return exitCode(err)
	case <-time.After(patience):
		d.t.Fatalf("the agent did not end after %v", sig)
		return -1
	}
}

// waitLog waits for a message of the log.
func (d *daemon) waitLog(msg string) {
	d.t.Helper()
	waitFor(d.t, "log message "+msg, func() bool { return strings.Contains(d.log.String(), `"msg":"`+msg+`"`) })
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// configure writes a configuration of one job over a fresh source directory.
func configure(t *testing.T, b *box.Box, job box.Job, tables map[string]map[string]any) (config, source string) {
	t.Helper()
	dir := t.TempDir()
	source = filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	j := box.Job{"name": "docs", "source": source}
	for k, v := range job {
		j[k] = v
	}
	config = filepath.Join(dir, "osssync.toml")
	if err := os.WriteFile(config, []byte(b.ConfigWith(tables, j)), 0o644); err != nil {
		t.Fatal(err)
	}
	return config, source
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// waitMirror waits until the bucket equals the directory.
func waitMirror(t *testing.T, b *box.Box, dir string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		diff := differs(t, b, dir)
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bucket does not equal the directory: %s", diff)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// differs says how the bucket is not what the directory is, "" if it is.
func differs(t *testing.T, b *box.Box, dir string) string {
	t.Helper()
	have, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	n, diff := 0, ""
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		n++
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		crc, size := fileSum(path)
		if o, ok := have[filepath.ToSlash(rel)]; !ok {
			diff = rel + " is missing"
		} else if o.CRC64 != crc || o.Size != size {
			diff = rel + " differs"
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	if diff == "" && n != len(have) {
		for key := range have {
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(key))); err != nil {
				return key + " is no file"
			}
		}
	}
	return diff
}
