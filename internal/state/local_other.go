//go:build !linux && !windows

package state

// checkLocal cannot tell here, and lets every directory pass.
func checkLocal(string) error { return nil }
