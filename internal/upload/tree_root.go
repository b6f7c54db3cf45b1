//go:build !windows

package upload

import (
	"os"
	"path/filepath"
)

// openRoot opens path by os.Root, which follows links inside the root; where
// none may be followed, each element is looked at first.
func (t *Tree) openRoot(path string) (*os.File, error) {
	if !t.follow {
		if err := t.noLinks(path); err != nil {
			return nil, err
		}
	}
	return t.root.OpenFile(filepath.FromSlash(path), os.O_RDONLY|openFlags, 0)
}

// noLinks fails with ErrNotRegular if path leads through anything but
// directories to anything but a regular file.
func (t *Tree) noLinks(path string) error {
	if dir, _ := split(path); dir != "." {
		if err := t.onlyDirs(dir); err != nil {
			return err
		}
	}
	fi, err := t.root.Lstat(filepath.FromSlash(path))
	if err == nil && !fi.Mode().IsRegular() {
		err = ErrNotRegular
	}
	return err
}
