//go:build unix

package state

import (
	"errors"
	"os"
	"syscall"
)

// lockFile uses flock, which belongs to this descriptor alone: unlike a POSIX
// record lock it does not vanish when the file is opened and closed elsewhere.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return err
}

// syncDir makes renames within dir survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
