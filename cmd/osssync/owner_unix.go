//go:build unix

package main

import (
	"os"
	"syscall"
)

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
