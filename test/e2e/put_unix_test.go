//go:build unix

package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestPutIrregular: what is no regular file is refused at once, also a pipe that
// nobody writes to, and without a request.
func TestPutIrregular(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, nil, nil)
	dir, err := os.MkdirTemp("", "put-") // a socket's name must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	pipe, socket, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct{ file, is, hint string }{
		{pipe, "a pipe", "osssync put - oss://"},
		{link, "a pipe", "osssync put - oss://"},
		{os.DevNull, "a device", "osssync put - oss://"},
		{dir, "a directory", "osssync sync"},
		{socket, "a socket", ""},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, bin, "-c", config, "put", tt.file, "oss://"+b.Bucket+"/key")
		cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
		out, err := cmd.CombinedOutput()
		cancel()
		want := "osssync: put " + tt.file + ": not a regular file but " + tt.is + "\n"
		if exitCode(err) != 1 || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: exit code %d: %s", tt.file, exitCode(err), out)
		}
		if _, hint, ok := strings.Cut(string(out), "hint: "); ok != (tt.hint != "") || !strings.Contains(hint, tt.hint) {
			t.Errorf("%s: the hint is %q", tt.file, hint)
		}
	}
	if n := len(b.OSS.Requests().Entries()); n > 0 {
		t.Errorf("%d requests", n)
	}
}
