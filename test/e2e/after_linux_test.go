package e2e

import (
	"os"
	"syscall"
	"testing"
)

// TestMoveToAnotherFileSystem is TestMoveAfterUpload to where a rename cannot
// reach.
func TestMoveToAnotherFileSystem(t *testing.T) {
	t.Parallel()
	dest, err := os.MkdirTemp("/dev/shm", "osssync-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dest) })
	var here, there syscall.Stat_t
	if err := syscall.Stat(t.TempDir(), &here); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Stat(dest, &there); err != nil {
		t.Fatal(err)
	}
	if here.Dev == there.Dev {
		t.Fatal("the test needs its temporary directory and /dev/shm on different file systems")
	}
	testMove(t, dest)
}
