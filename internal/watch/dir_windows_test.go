package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// A directory is told under the one name that it has, whatever name it is asked
// for by; and the names that Win32 does not know are names like others.
func TestDirectoryNames(t *testing.T) {
	root := t.TempDir()
	long := strings.Repeat("a directory of fifty characters or a little more...x/", 8)
	for _, name := range []string{"Dir/A", "dots./f", "NUL/f", long + "f"} {
		path := `\\?\` + root + `\` + filepath.FromSlash(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Logf("%s: cannot be made here: %v", name, err)
			continue
		}
		must(t, os.WriteFile(path, nil, 0o644))
		dir, base := split(name)
		l, err := List(root, dir, Options{})
		if err != nil || len(l.Files) != 1 || l.Files[0].Name != base {
			t.Errorf("List(%s) = %+v, %v", dir, l, err)
		}
	}
	for _, dir := range []string{"dir", "DIR", "none", "Dir/A"} {
		if l, err := List(root, dir, Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("List(%s) = %+v, %v, want that there is no such directory", dir, l, err)
		}
	}
}

// shortOf returns the path by which Windows knows a file in names of 8.3. It
// skips the test where the file's own name has no such form.
func shortOf(t *testing.T, path string) string {
	t.Helper()
	p, err := windows.UTF16PtrFromString(path)
	must(t, err)
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetShortPathName(p, &buf[0], uint32(len(buf)))
	must(t, err)
	short := windows.UTF16ToString(buf[:n])
	if !strings.Contains(filepath.Base(short), "~") {
		t.Skipf("no short names on this volume: %s", short)
	}
	return short
}

// A change that is told by a short name is one of the file under its long name,
// whatever name of the root was configured, and of a file that is gone the
// nearest directory that is there is listed.
func TestShortNames(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a root with a long name")
	must(t, os.MkdirAll(filepath.Join(root, "Some long directory"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "Some long directory", "Some long file.text"), nil, 0o644))
	short := shortOf(t, filepath.Join(root, "Some long directory", "Some long file.text"))
	elems := strings.Split(short, `\`)
	dir, file := elems[len(elems)-2], elems[len(elems)-1]
	for _, at := range []string{root, shortOf(t, root)} {
		for _, tt := range []struct{ told, want, listed string }{
			{dir + "/" + file, "Some long directory/Some long file.text", "-"},
			{dir, "Some long directory", "-"},
			{"Some long directory/" + file, "Some long directory/Some long file.text", "-"},
			{dir + "/gone.txt", "Some long directory/gone.txt", "Some long directory"},
			{dir + "/GONE~1/f", "Some long directory/GONE~1/f", "Some long directory"},
			{"GONE~1/f", "GONE~1/f", ""},
			{"GONE~1", "GONE~1", ""},
			{"no/such", "no/such", "-"},
			{"a name with a ~ that is too long to be short", "a name with a ~ that is too long to be short", "-"},
		} {
			s := &changes{host: host{root: at, pending: newPending(func() {})}}
			if got := s.longName(tt.told); got != tt.want {
				t.Errorf("below %s: %s is %s, want %s", at, tt.told, got, tt.want)
			}
			listed := "-"
			for d := range s.pending.dirs {
				listed = d
			}
			if listed != tt.listed {
				t.Errorf("%s: lists %q, want %q", tt.told, listed, tt.listed)
			}
		}
	}
}

// What fills the buffer before it is read is told as an overflow: Windows says
// so by an error, or by a success without a byte.
func TestNothingFromWindows(t *testing.T) {
	if !isOverflow(windows.ERROR_NOTIFY_ENUM_DIR) || !isOverflow(errOverflow) || isOverflow(windows.ERROR_ACCESS_DENIED) {
		t.Error("isOverflow is wrong")
	}
	r := start(t, "", Options{})
	if r.Stats().Mode != "windows" {
		t.Fatalf("mode %s", r.Stats().Mode)
	}
	must(t, write(r.path("a"), "1"))
	r.check()
	r.mu.Lock()
	src := r.src
	r.mu.Unlock()
	before := len(r.m.scanned())
	c := src.(*changes)
	// A completion without bytes, as if the kernel had dropped the buffer.
	must(t, windows.PostQueuedCompletionStatus(c.port, 0, 0, nil))
	r.settle()
	if after := r.m.scanned(); len(after) <= before {
		t.Errorf("%d scans before the overflow, %d after", before, len(after))
	}
	if r.Stats().Overflows == 0 {
		t.Error("no overflow was counted")
	}
	must(t, write(r.path("b"), "2"))
	r.check()
	if !slices.Contains(r.m.hints("b"), Changed) {
		t.Error("nothing is told after the overflow")
	}
}
