package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// takesEscapes reports whether a terminal understands escape sequences, after
// asking the console to do so. It stays so when the program has ended, as with
// other programs of today.
func takesEscapes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
