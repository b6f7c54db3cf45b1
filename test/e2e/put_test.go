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

// TestPutBadKey: a URL that can name no object is refused before anything is read
// or asked.
func TestPutBadKey(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	file := filepath.Join(source, "file")
	write(t, file, "text")
	good := "oss://" + b.Bucket + "/"
	for _, tt := range []struct{ command, file, url, want string }{
		{"put", file, good + strings.Repeat("k", 1024), "key must have 1 to 1023 bytes, has 1024"},
		{"put", file, good + strings.Repeat("k", 1019) + "/", "key must have 1 to 1023 bytes, has 1024"},
		{"put", file, good + "/absolute", `key must not begin with / or \`},
		{"put", file, good + `\back`, `key must not begin with / or \`},
		{"put", "-", good + "k\xff", "name is not valid UTF-8"},
		{"put", "-", good, "the key is missing"},
		{"put", "-", good + "dir/", "the key is missing"},
		{"put", file, "oss://SANDBOX/k", `"SANDBOX" is no bucket name`},
		{"ls", "", "oss://SANDBOX", `"SANDBOX" is no bucket name`},
		{"cat", "", "oss://a_b/k", `"a_b" is no bucket name`},
		{"stat", "", "oss://-ab/k", `"-ab" is no bucket name`},
	} {
		args := []string{"-c", config, tt.command, tt.file, tt.url}
		if tt.file == "" {
			args = append(args[:3], tt.url)
		}
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
		out, err := cmd.CombinedOutput()
		if exitCode(err) != 2 || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s %s: exit code %d, %.300q, want %q", tt.command, tt.url, exitCode(err), out, tt.want)
		}
	}
	if n := len(b.OSS.Requests().Entries()) + len(b.ECS.Requests().Entries()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

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
