package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// moves says which files there are at the destination of a job that moves its
// files there.
func moves(t *testing.T, dest string, want map[string]string) bool {
	t.Helper()
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(dest, name))
		if err != nil || string(got) != text {
			return false
		}
	}
	return true
}

// empty says whether no file is left below a directory.
func empty(t *testing.T, dir string) bool {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n == 0
}

// TestMoveAfterUpload: files leave once they are in the bucket, and their objects
// stay. Whoever had the name at the destination keeps it.
func TestMoveAfterUpload(t *testing.T) {
	t.Parallel()
	testMove(t, t.TempDir())
}

func testMove(t *testing.T, dest string) {
	dest = filepath.Join(dest, "sent")
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"after_upload": "move:" + filepath.ToSlash(dest)}, nil)
	large := strings.Repeat("0123456789abcdef", 600_000)
	write(t, filepath.Join(source, "d/large"), large)
	start(t, config)
	write(t, filepath.Join(source, "d/small"), "first")
	waitFor(t, "the first files", func() bool {
		return empty(t, source) && moves(t, dest, map[string]string{"d/small": "first", "d/large": large})
	})
	write(t, filepath.Join(source, "d/small"), "second")
	waitFor(t, "another of that name", func() bool {
		return empty(t, source) && moves(t, dest, map[string]string{"d/small": "first", "d/small.1": "second", "d/large": large})
	})
	objects := b.WaitForKeys(t, patience, "d/small", "d/large")
	if len(objects) != 2 || objects["d/small"].Size != int64(len("second")) {
		t.Errorf("objects %v", objects)
	}
}

// TestAfterUploadLater: a file that could not leave, or whose agent died right
// before, leaves with a later pass, and is not sent again.
func TestAfterUploadLater(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "blocked"), "a file, and no directory")
	config, source := configure(t, b, box.Job{"after_upload": "move:" + filepath.ToSlash(filepath.Join(dir, "blocked/below"))}, nil)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "a"), "text")
	aged(t, source)
	out, code := pass(t, config)
	if code != 1 || !strings.Contains(out, "move a: ") || empty(t, source) {
		t.Fatalf("exit code %d, source empty: %t\n%s", code, empty(t, source), out)
	}
	if err := os.Remove(filepath.Join(dir, "blocked")); err != nil {
		t.Fatal(err)
	}
	if out, code := pass(t, config); code != 0 || !empty(t, source) || !moves(t, dir, map[string]string{"blocked/below/a": "text"}) {
		t.Errorf("exit code %d, source empty: %t\n%s", code, empty(t, source), out)
	}

	// The entry is durable, the file still there: so a crash leaves it.
	keep := strings.Replace(string(text), "after_upload", "#", 1)
	if err := os.WriteFile(config, []byte(keep), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "b"), "text")
	aged(t, source)
	if out, code := pass(t, config); code != 0 || empty(t, source) {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if err := os.WriteFile(config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	d := start(t, config)
	waitFor(t, "the file to leave", func() bool { return empty(t, source) })
	if puts := count(b, oss.PutObject); puts != 2 {
		t.Errorf("%d puts for 2 files", puts)
	}
	if have, err := b.Objects(); err != nil || len(have) != 2 {
		t.Errorf("objects %v, %v", have, err)
	}
	if strings.Contains(d.log.String(), `"level":"ERROR"`) {
		t.Errorf("the log has an error:\n%s", d.log)
	}
}

// pass makes one pass and returns all that it said, and its exit code.
func pass(t *testing.T, config string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"-c", config, "sync"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	out, err := cmd.CombinedOutput()
	return string(out), exitCode(err)
}

// TestAfterUploadOutage: a file that waited for OSS for longer than max_wait is
// no file that is being written, and leaves like any other.
func TestAfterUploadOutage(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"after_upload": "delete", "max_wait": "1s"}, nil)
	write(t, filepath.Join(source, "first"), "text")
	d := start(t, config)
	waitFor(t, "the first file to leave", func() bool { return empty(t, source) })
	if err := b.Down(box.OSS); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	write(t, filepath.Join(source, "second"), "text")
	d.waitLog("not uploaded, will retry")
	time.Sleep(time.Until(began.Add(1100 * time.Millisecond))) // max_wait is over
	if err := b.Up(box.OSS); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the second file to leave", func() bool { return empty(t, source) })
	b.WaitForKeys(t, patience, "first", "second")
}
