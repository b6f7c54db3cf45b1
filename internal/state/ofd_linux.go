package state

import (
	"errors"

	"modernc.org/sqlite"
)

// ownLocks has SQLite use locks that belong to its descriptors. The default
// kind is lost when anything in this process opens and closes the same file.
func ownLocks() error {
	_, err := sqlite.OFDLocking(true)
	if errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return nil // an old kernel: the state directory is never watched, which has to do
	}
	return err
}
