//go:build !linux

package service

import "os"

// IsJournal reports whether f is the stream by which systemd takes lines for
// the journal, which is on Linux only.
func IsJournal(*os.File, func(string) string) bool { return false }
