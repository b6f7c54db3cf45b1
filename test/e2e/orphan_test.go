package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// The upload of a large file breaks off, and a small one takes the file's place:
// nothing is left of the upload in the bucket.
func TestUploadOfReplaced(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"settle": "20ms"}, nil)
	path := filepath.Join(source, "app.log")
	if err := writeRandom(path, 40<<20, 1); err != nil {
		t.Fatal(err)
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.UploadPart, Skip: 2, Status: 503, Code: "ServiceUnavailable"})
	c := start(t, config).control(b)
	n := b.OSS.Requests().Count
	waitFor(t, "the attempt to be given up", func() bool {
		return n(oss.UploadPart) > 8 && statusOf(t, c, "docs").InFlight == 0
	})
	rotated := filepath.Join(filepath.Dir(source), "rotated")
	write(t, rotated, "rotated")
	if err := os.Rename(rotated, path); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
	waitFor(t, "the upload to be aborted", func() bool {
		return n(oss.InitiateMultipartUpload) == n(oss.AbortMultipartUpload)+n(oss.CompleteMultipartUpload)
	})
}
