package service

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsJournal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(w.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if !IsJournal(w, env("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))) {
		t.Error("the stream is not known")
	}
	for _, other := range []string{"", fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), "x"} {
		if IsJournal(w, env("JOURNAL_STREAM", other)) {
			t.Errorf("taken for the stream %q", other)
		}
	}
}
