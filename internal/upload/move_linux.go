package upload

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// destination returns a path that is taken as it is written.
func destination(path string) string { return path }

// renameNew renames the file to a path where there is nothing yet.
func renameNew(l *leaving, dest string) error {
	dir, err := l.dir.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	err = unix.Renameat2(int(dir.Fd()), l.base, unix.AT_FDCWD, dest, unix.RENAME_NOREPLACE)
	if !noFlag(err) {
		return err
	}
	// A file system without that flag: a link never replaces either.
	if err := unix.Linkat(int(dir.Fd()), l.base, unix.AT_FDCWD, dest, 0); err != nil {
		return err
	}
	return l.dir.Remove(l.base)
}

// placeNew renames a file to a path beside it where there is nothing yet.
func placeNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if !noFlag(err) {
		return err
	}
	return os.Link(from, to) // the caller removes from
}

// noFlag reports that the file system or the kernel does not know the flag.
func noFlag(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) }

func isOtherDevice(err error) bool { return errors.Is(err, unix.EXDEV) }
