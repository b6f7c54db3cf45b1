package watch

import (
	"os"
	"slices"
	"testing"
)

func TestHints(t *testing.T) {
	r := start(t, "", Options{})
	must(t, write(r.path("a"), "1"))
	r.check()
	if got := r.m.hints("a"); len(got) == 0 || r.Stats().CloseWrite && got[len(got)-1] != Closed {
		t.Errorf("hints of a written file: %v, want the last to be closed", got)
	}
	must(t, os.Rename(r.path("a"), r.path("b")))
	r.check()
	if got := r.m.hints("b"); r.Stats().CloseWrite && !slices.Equal(got, []Cause{Moved}) {
		t.Errorf("hints of a renamed file: %v, want moved", got)
	}
	if got := r.m.hints("a"); got[len(got)-1] != Removed {
		t.Errorf("hints of the former name: %v, want the last to be removed", got)
	}
	must(t, os.MkdirAll(r.path("x/y/z"), 0o755), write(r.path("x/y/z/f"), "2"))
	r.check()
	must(t, os.Rename(r.path("x"), r.path("w")), write(r.path("w/y/z/g"), "3"))
	r.check()
	must(t, os.RemoveAll(r.path("w")))
	r.check()
	r.noScans()
}
