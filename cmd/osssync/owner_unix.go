//go:build unix

package main

import (
	"os"
	"syscall"
)

// makeStateDir makes the directory of the index, for this user alone.
func makeStateDir(dir string) error { return os.MkdirAll(dir, 0o700) }

// ownedByUs reports whether dir is a directory of the user that runs this
// process.
func ownedByUs(dir string) bool {
	fi, err := os.Stat(dir)
	if err != nil || !fi.IsDir() {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
