//go:build unix

package main

import (
	"os"
	"syscall"
)

// openNow opens a file to be read, and waits for nobody, such as who is to write
// to a pipe.
func openNow(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}
