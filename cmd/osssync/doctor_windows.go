package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// checkWatches has nothing to say: the system sets no limit.
func (*doctor) checkWatches(context.Context) []check {
	return []check{good("watch limits", "none on this system")}
}

// checkOwner warns of a state directory that others own.
func checkOwner(name, dir string, _ os.FileInfo) (check, bool) {
	if ownedByUs(dir) {
		return check{}, false
	}
	return warning(name, "run osssync doctor as the user that runs the agent", "%s is another user's", dir), true
}

// freeSpace returns how many bytes may still be written below dir.
func freeSpace(dir string) (uint64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return free, nil
}
