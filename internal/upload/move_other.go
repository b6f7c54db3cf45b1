//go:build !linux && !windows

package upload

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// destination returns a path that is taken as it is written.
func destination(path string) string { return path }

// renameNew renames the file to a path where there is nothing yet: a link
// never replaces.
func renameNew(l *leaving, dest string) error {
	if err := os.Link(filepath.Join(l.tree.path, l.path), dest); err != nil {
		return err
	}
	return l.dir.Remove(l.base)
}

// placeNew gives a file a name where there is nothing yet. The caller removes
// the other name.
func placeNew(from, to string) error { return os.Link(from, to) }

func isOtherDevice(err error) bool { return errors.Is(err, unix.EXDEV) }
