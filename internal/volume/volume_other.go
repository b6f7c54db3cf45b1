//go:build !linux

package volume

// ID returns 0: the number of a file or of its volume tells enough here.
func ID(int) uint64 { return 0 }
