package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A deletion is carried out, its answer is lost, and the file comes back with
// the bytes that the index knows: it is sent.
func TestDeletedWithoutAnswer(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror", "settle": "20ms"}, nil)
	for _, name := range []string{"gone", "stays"} {
		write(t, filepath.Join(source, name), name)
	}
	start(t, config)
	waitMirror(t, b, source)
	losesDeletions(b)
	path, aside := filepath.Join(source, "gone"), filepath.Join(filepath.Dir(source), "aside")
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
}

// The same with a pass that ends before it hears of it.
func TestDeletedWithoutAnswerByPass(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror"}, nil)
	for _, name := range []string{"gone", "stays"} {
		write(t, filepath.Join(source, name), name)
	}
	sync1(t, config)
	losesDeletions(b)
	path, aside := filepath.Join(source, "gone"), filepath.Join(filepath.Dir(source), "aside")
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "-c", config, "sync").CombinedOutput(); exitCode(err) != 3 {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	b.OSS.Faults().Clear()
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	sync1(t, config)
	waitMirror(t, b, source)
}

// losesDeletions has the answers to all deletions lost.
func losesDeletions(b *box.Box) {
	for _, op := range []oss.Op{oss.DeleteObject, oss.DeleteMultipleObjects} {
		b.OSS.Faults().Add(oss.Fault{Op: op, LoseReply: true})
	}
}
