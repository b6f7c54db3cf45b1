package service

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// IsJournal reports whether f is the stream by which systemd takes lines for
// the journal, which JOURNAL_STREAM names by device and inode; getenv is
// os.Getenv but for tests.
func IsJournal(f *os.File, getenv func(string) string) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
