package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/oss"
)

// A snapshot of the index knows a file that was deleted since, with its object.
// The index is lost, the file is put back as it was, and the bucket may not be
// listed: what the snapshot says of the object is not believed.
func TestIndexFromOldSnapshot(t *testing.T) {
	t.Parallel()
	l := sent(t, 20, nil)
	d := start(t, l.config)
	var snap []byte
	waitFor(t, "a snapshot", func() bool {
		var err error
		snap, err = os.ReadFile(l.state("index.snap"))
		return err == nil
	})
	path := filepath.Join(l.source, "d1-", "1")
	data, err := os.ReadFile(path)
	if err := errors.Join(err, os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, l.Box, l.source)
	d.stop(syscall.SIGTERM)
	l.lose("index.db")
	if err := os.WriteFile(l.state("index.snap"), snap, 0o600); err != nil { // they are made once a day
		t.Fatal(err)
	}
	write(t, path, string(data))
	l.OSS.Faults().Add(oss.Fault{Op: oss.ListObjectsV2, Status: 403, Code: "AccessDenied"})
	start(t, l.config)
	waitMirror(t, l.Box, l.source)
}
