package upload

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// renameNew renames the file to a path where there is nothing yet.
func renameNew(l *leaving, dest string) error {
	return placeNew(filepath.Join(l.tree.path, filepath.FromSlash(l.path)), dest)
}

// placeNew renames a file to a path where there is nothing yet.
func placeNew(from, to string) error {
	f, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	t, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(f, t, windows.MOVEFILE_WRITE_THROUGH)
}

func isOtherDevice(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }
