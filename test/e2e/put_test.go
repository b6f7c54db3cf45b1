package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestInterruptSilentInput presses Ctrl-C while put waits for a standard input
// that says nothing more. It must end, and leave nothing behind.
func TestInterruptSilentInput(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, nil, nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command(bin, "-c", config, "put", "-", "oss://"+b.Bucket+"/key")
	errs := &buffer{}
	cmd.Stdin, cmd.Stderr = r, errs
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	// More than the parts that are held in memory, so that an upload has begun.
	if _, err := w.Write(make([]byte, 40<<20)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a first part", func() bool { return b.OSS.Requests().Count(oss.UploadPart) > 0 })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if exitCode(err) != 1 || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("exit code %d: %s", exitCode(err), errs)
		}
	case <-time.After(patience):
		cmd.Process.Kill()
		<-done
		t.Fatal("put did not end")
	}
	if objects, err := b.Objects(); err != nil || len(objects) > 0 {
		t.Errorf("objects %v, %v", objects, err)
	}
	if b.OSS.Requests().Count(oss.AbortMultipartUpload) == 0 {
		t.Error("the parts were left behind")
	}
}
