package volume

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A file system in the place of another has the same device number and the same
// root, and another id.
func TestID(t *testing.T) {
	dir := t.TempDir()
	seen := map[uint64]bool{}
	for range 3 {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("NOT TESTED: another file system, for that needs the right to mount one: %v", err)
		}
		id := of(t, dir)
		if seen[id] || id == 0 {
			t.Errorf("id %x again", id)
		}
		seen[id] = true
		if again := of(t, dir); again != id {
			t.Errorf("id %x, then %x", id, again)
		}
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func of(t *testing.T, dir string) uint64 {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ID(int(f.Fd()))
}
