package upload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that cannot leave its directory leaves no copies at its destination, one
// for each attempt.
func TestMoveAcrossStays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a directory that may not be written, for that needs to become another user")
	}
	r := newRig(t, Options{})
	r.write("f", []byte("12345"))
	res := r.mustDo(Upload, "f")
	dest := t.TempDir()
	must(t, os.Chmod(dest, 0o777))
	for _, dir := range []string{r.dir, filepath.Dir(r.dir), filepath.Dir(dest)} {
		must(t, os.Chmod(dir, 0o755))
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	must(t, unix.Setfsuid(65534))
	for range 3 {
		l, err := r.target.Tree.leave("f", *res.Entry)
		must(t, err)
		err = l.moveAcross(filepath.Join(dest, "f"))
		l.Close()
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("moveAcross = %v, want no permission", err)
		}
	}
	must(t, unix.Setfsuid(0))
	if list, err := os.ReadDir(dest); err != nil || len(list) != 0 {
		t.Errorf("destination holds %v, %v", list, err)
	}
	if _, err := os.Stat(r.path("f")); err != nil {
		t.Errorf("source: %v", err)
	}
}
