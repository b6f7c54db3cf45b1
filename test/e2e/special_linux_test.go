package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestSpecialFilesAreCounted puts among files what is none: it is left alone, and
// status and the metrics say how much of it there is.
func TestSpecialFilesAreCounted(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"listen": "127.0.0.1:0"}})
	write(t, filepath.Join(source, "file"), "text")
	if err := syscall.Mkfifo(filepath.Join(source, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", filepath.Join(source, "link")); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(source, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	if st := statusOf(t, c, "docs"); st.Skipped != 3 || st.Indexed != 1 || st.FailedFiles != 0 {
		t.Errorf("status: %d skipped, %d indexed, %d failed; want 3, 1, 0", st.Skipped, st.Indexed, st.FailedFiles)
	}
	if out, err := exec.Command(bin, "-c", config, "status").Output(); err != nil || !strings.Contains(string(out), "no regular files: 3") {
		t.Errorf("status does not tell of them: %v\n%s", err, out)
	}
	if _, metrics := ask(t, d.url()+"metrics"); !strings.Contains(metrics, `osssync_job_skipped_files{job="docs"} 3`+"\n") {
		t.Errorf("the metrics do not tell of them:\n%s", metrics)
	}
}
