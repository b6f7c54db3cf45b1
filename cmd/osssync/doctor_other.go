//go:build !linux && !windows

package main

import (
	"context"
	"errors"
	"os"
)

// checkWatches has nothing to say: there is no watcher, and sources are polled.
func (*doctor) checkWatches(context.Context) []check {
	return []check{good("watch limits", "none on this system, whose sources are polled")}
}

// checkOwner warns of a state directory that others own or can look into.
func checkOwner(name, dir string, fi os.FileInfo) (check, bool) {
	if ownedByUs(dir) && fi.Mode().Perm()&0o077 == 0 {
		return check{}, false
	}
	return warning(name, "make it the user's that runs the agent, with mode 0700", "%s is another user's, or others can look into it", dir), true
}

// freeSpace cannot tell here.
func freeSpace(string) (uint64, error) { return 0, errors.ErrUnsupported }
