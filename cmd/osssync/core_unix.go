//go:build unix

package main

import "golang.org/x/sys/unix"

// keepOutOfCores sees to it that the kernel writes no core file of this
// process, for its memory holds the token. Where that is refused nothing is
// lost but this.
func keepOutOfCores() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}
