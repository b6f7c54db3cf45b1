package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestLargeFilesHoldUpNobody has more large files than the agent has workers,
// none of which gets on. The small ones behind them arrive, one that is written
// now does, and so do those of another job.
func TestLargeFilesHoldUpNobody(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	dir := t.TempDir()
	source, other := filepath.Join(dir, "source"), filepath.Join(dir, "other")
	for i := range 300 {
		write(t, filepath.Join(source, fmt.Sprintf("a/%d", i)), "")
		if err := os.Truncate(filepath.Join(source, fmt.Sprintf("a/%d", i)), 8<<20+1); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(source, fmt.Sprintf("z/%d", i)), "small")
	}
	write(t, filepath.Join(other, "file"), "of another job")
	config := filepath.Join(dir, "osssync.toml")
	text := b.ConfigWith(nil,
		box.Job{"name": "large", "source": source, "prefix": "large/"}, box.Job{"name": "other", "source": other, "prefix": "other/"})
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.InitiateMultipartUpload, Hang: true})
	start(t, config)
	small := func() (n int) {
		objects, err := b.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for key := range objects {
			if strings.HasPrefix(key, "large/z/") || strings.HasPrefix(key, "other/") {
				n++
			}
		}
		return n
	}
	waitFor(t, "the small files", func() bool { return small() == 301 })
	write(t, filepath.Join(source, "z/now"), "written now")
	write(t, filepath.Join(other, "now"), "written now")
	waitFor(t, "those that were written now", func() bool { return small() == 303 })
}
