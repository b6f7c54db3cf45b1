package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockName is the file that is locked while an agent uses the directory. It
// holds the agent's pid and is never removed, for a lock on a removed file
// keeps nobody out. That it is there tells that there once was an index.
const lockName = "lock"

// errHeld is returned by lockFile when another process has the lock.
var errHeld = errors.New("held by another process")

// acquire takes the lock of a state directory until the file is closed. existed
// tells whether the directory has been locked before, now or long ago.
func acquire(dir string) (f *os.File, existed bool, err error) {
	path := filepath.Join(dir, lockName)
	if _, err := os.Lstat(path); err == nil {
		existed = true
	}
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, existed, err
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if errors.Is(err, errHeld) {
			return nil, existed, &LockedError{Dir: dir, PID: holder(f)}
		}
		return nil, existed, fmt.Errorf("lock %s: %w", path, err)
	}
	// A crash here leaves an older pid, which only a message would show.
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		f.Close()
		return nil, existed, err
	}
	return f, existed, nil
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder reads the pid that the other process wrote, 0 when it has not yet.
func holder(f *os.File) int {
	var buf [32]byte
	n, _ := f.ReadAt(buf[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil {
		return 0
	}
	return pid
}
