package main

import "os"

// openNow opens a file to be read.
func openNow(name string) (*os.File, error) { return os.Open(name) }
