package upload

import (
	"errors"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/winfile"
)

// destination returns a path that is taken as it is written.
func destination(path string) string { return winfile.Long(path) }

// renameNew renames the file to a path where there is nothing yet. It is opened
// in its directory, by its own name and no other, and renamed by that handle:
// Win32 would take "a." for "a", and a directory that took the place of this
// one for it.
func renameNew(l *leaving, dest string) error {
	dir, err := l.dir.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	h, err := winfile.Open(windows.Handle(dir.Fd()), l.base, windows.DELETE|windows.FILE_READ_ATTRIBUTES, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	if in, err := statHandle(h); err != nil || in.Version != l.entry.Version {
		return errors.Join(err, ErrChanged)
	}
	return winfile.Rename(h, dest)
}

// placeNew renames a file to a path where there is nothing yet.
func placeNew(from, to string) error {
	f, err := windows.UTF16PtrFromString(winfile.Long(from))
	if err != nil {
		return err
	}
	t, err := windows.UTF16PtrFromString(winfile.Long(to))
	if err != nil {
		return err
	}
	return windows.MoveFileEx(f, t, windows.MOVEFILE_WRITE_THROUGH)
}

// syncDir does nothing: placeNew has written the name through.
func syncDir(string) error { return nil }

func isOtherDevice(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }
