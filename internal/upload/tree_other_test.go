//go:build !linux

package upload

import (
	"errors"
	"io/fs"
)

// blind is for platforms on which writers can be made invisible.
func (t *Tree) blind(bool) {}

// isOpen reports whether a file could not be replaced, or moved with its
// directory, because it is open.
func isOpen(err error) bool { return errors.Is(err, fs.ErrPermission) || isShared(err) }
