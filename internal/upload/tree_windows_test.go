package upload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// openShared opens a file as a program does that shares it in the given way.
func openShared(t *testing.T, path string, access, share uint32) windows.Handle {
	t.Helper()
	p, err := windows.UTF16PtrFromString(path)
	must(t, err)
	h, err := windows.CreateFile(p, access, share, nil, windows.OPEN_EXISTING, 0, 0)
	must(t, err)
	return h
}

// A file that its writer shares with nobody waits until the writer is done. It
// can be looked at all the same, so that it is left alone if it did not change.
func TestLockedFile(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", []byte("12345"))
	h := openShared(t, r.path("f"), windows.GENERIC_READ|windows.GENERIC_WRITE, 0)
	j := r.job(Upload, "f")
	if v, err := r.target.Tree.Stat("f"); err != nil || v.Size != 5 {
		t.Errorf("stat: %+v, %v", v, err)
	}
	if res := r.u.do(t.Context(), j); !errors.Is(res.Err, ErrBusy) {
		t.Errorf("while it is open: %v, want ErrBusy", res.Err)
	}
	must(t, windows.CloseHandle(h))
	r.mustDo(Upload, "f")
	r.holds("f", []byte("12345"))
}

// Bytes that a program has locked are not read around.
func TestLockedBytes(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", pattern(5000, 1))
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h := openShared(t, r.path("f"), windows.GENERIC_READ|windows.GENERIC_WRITE, share)
	must(t, windows.LockFileEx(h, windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 100, 0, &windows.Overlapped{Offset: 4000}))
	if f, err := os.Open(r.path("f")); err == nil {
		_, err := f.ReadAt(make([]byte, 10), 4000)
		f.Close()
		if err == nil {
			windows.CloseHandle(h)
			t.Skip("locked bytes can be read on this system")
		}
	}
	r.ripe("f")
	if res := r.do(Upload, "f"); !errors.Is(res.Err, ErrBusy) {
		t.Errorf("while bytes are locked: %v, want ErrBusy", res.Err)
	}
	must(t, windows.CloseHandle(h))
	r.mustDo(Upload, "f")
	r.holds("f", pattern(5000, 1))
}

// No look and no reading keeps a program from opening, renaming or deleting
// its file.
func TestOutOfTheWay(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", []byte("12345"))
	f, err := r.target.Tree.Open("f")
	must(t, err)
	defer f.Close()
	f.Writers()
	must(t, windows.CloseHandle(openShared(t, r.path("f"), windows.GENERIC_WRITE, windows.FILE_SHARE_READ)))
	must(t, os.Rename(r.path("f"), r.path("g")))
	must(t, os.Remove(r.path("g")))
	got := make([]byte, 5)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != "12345" {
		t.Errorf("read of a deleted file: %q, %v", got, err)
	}
	stop := make(chan struct{})
	done := make(chan error, 1)
	r.write("f", []byte("12345"))
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := os.WriteFile(r.path("f"), []byte("54321"), 0o644); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 200 {
		r.do(Upload, "f")
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("a writer was refused: %v", err)
	}
}

// Windows finds a file by other names than that in its directory. Under those
// it is not there, or it would become several objects.
func TestOtherNames(t *testing.T) {
	r := newRig(t, Options{})
	r.write("Dir/A long name.text", []byte("x"))
	for _, name := range []string{"Dir/a long name.text", "dir/A long name.text", "DIR/A LONG NAME.TEXT", "Dir/ALONGN~1.TEX", "Dir/ALONG~1.TEX"} {
		if _, err := r.target.Tree.Stat(name); !errors.Is(err, ErrVanished) {
			t.Errorf("stat %s: %v, want ErrVanished", name, err)
		}
		if f, err := r.target.Tree.Open(name); !errors.Is(err, ErrVanished) {
			t.Errorf("open %s: %v, want ErrVanished", name, err)
			f.Close()
		}
	}
	if _, err := r.target.Tree.Stat("Dir/A long name.text"); err != nil {
		t.Error(err)
	}
	short := make([]uint16, 300)
	p, err := windows.UTF16PtrFromString(r.path("Dir/A long name.text"))
	must(t, err)
	n, err := windows.GetShortPathName(p, &short[0], uint32(len(short)))
	must(t, err)
	base := filepath.Base(windows.UTF16ToString(short[:n]))
	if !strings.Contains(base, "~") {
		t.Logf("no short names here: %s", base)
	} else if _, err := r.target.Tree.Stat("Dir/" + base); !errors.Is(err, ErrVanished) {
		t.Errorf("stat %s: %v, want ErrVanished", base, err)
	}
	must(t, os.Rename(r.path("Dir"), r.path("dir"))) // in case alone
	if entries, err := os.ReadDir(r.dir); err != nil || entries[0].Name() != "dir" {
		t.Skipf("a rename in case alone does nothing on this system: %v, %v", entries, err)
	}
	if _, err := r.target.Tree.Stat("Dir/A long name.text"); !errors.Is(err, ErrVanished) {
		t.Errorf("stat under the former name of the directory: %v, want ErrVanished", err)
	}
	if _, err := r.target.Tree.Stat("dir/A long name.text"); err != nil {
		t.Error(err)
	}
}

// Names that Win32 would change or refuse, and paths that are too long for it.
func TestAwkwardNames(t *testing.T) {
	r := newRig(t, Options{})
	long := strings.Repeat("a directory of fifty characters or a little more...x/", 8) + "f"
	for _, name := range []string{long, "dots...", "space ", "dir./f", "con.txt", "NUL", "dir/con", "COM1", "日志 ü.txt"} {
		path := `\\?\` + r.dir + `\` + filepath.FromSlash(name)
		if err := os.MkdirAll(path[:strings.LastIndexByte(path, '\\')], 0o755); err != nil {
			t.Logf("%s: cannot be made here: %v", name, err)
			continue
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Logf("%s: cannot be made here: %v", name, err)
			continue
		}
		if !listed(t, r.dir, name) {
			t.Logf("%s: got another name here", name)
			continue
		}
		r.mustDo(Upload, name)
		r.holds(name, []byte("x"))
	}
	for _, name := range []string{"../f", `..\f`, "f:stream", "C:/f", "dir//f", "/f", ""} {
		if f, err := r.target.Tree.Open(name); err == nil {
			f.Close()
			t.Errorf("opened %q", name)
		}
	}
}

// Of two files whose names Win32 takes for one, only the one that was uploaded
// may leave. One whose name ends in a dot stays where it is, for [os.Root] knows
// it by the other name.
func TestAwkwardNamesLeave(t *testing.T) {
	long := strings.Repeat("a directory of fifty characters or a little more...x/", 6)
	for _, name := range []string{"dots", "plain dir/file", long + "file"} {
		for _, tail := range []string{"", "..."} {
			r, dest := newRig(t, Options{}), filepath.Join(t.TempDir(), "moved")
			r.target.Object.AfterUpload = "move:" + dest
			path := `\\?\` + r.dir + `\` + filepath.FromSlash(name)
			must(t, os.MkdirAll(path[:strings.LastIndexByte(path, '\\')], 0o755))
			must(t, os.WriteFile(path, []byte("plain"), 0o644))
			must(t, os.WriteFile(path+"...", []byte("dots"), 0o644))
			if !listed(t, r.dir, name+"...") {
				t.Skip("such names cannot be had on this system")
			}
			r.ripe(name + tail)
			res := r.do(Upload, name+tail)
			switch {
			case tail == "" && (res.Err != nil || listed(t, r.dir, name) || !listed(t, dest, name)):
				t.Errorf("%s did not leave: %v", name, res.Err)
			case tail != "" && res.Err == nil:
				t.Errorf("%s%s is said to have left", name, tail)
			}
			if !listed(t, r.dir, name+"...") {
				t.Errorf("%s... left when %s was to", name, name+tail)
			}
			if tail != "" && !listed(t, r.dir, name) {
				t.Errorf("%s left when %s was to", name, name+tail)
			}
		}
	}
}

// listed reports whether a directory below dir holds just this name.
func listed(t *testing.T, dir, name string) bool {
	t.Helper()
	found := false
	must(t, filepath.WalkDir(`\\?\`+dir, func(path string, d fs.DirEntry, err error) error {
		found = found || strings.HasSuffix(path, `\`+filepath.FromSlash(name))
		return err
	}))
	return found
}

// A file that is still open for writing does not leave.
func TestWriterStays(t *testing.T) {
	r := newRig(t, Options{})
	r.target.Object.AfterUpload = "delete"
	r.write("f", []byte("12345"))
	h := openShared(t, r.path("f"), windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE|windows.FILE_SHARE_WRITE)
	r.ripe("f")
	if res := r.do(Upload, "f"); !errors.Is(res.Err, ErrBusy) {
		t.Errorf("upload: %v, want ErrBusy", res.Err)
	}
	must(t, windows.CloseHandle(h))
	r.ripe("f")
	r.mustDo(Upload, "f")
	if _, err := os.Stat(r.path("f")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stayed: %v", err)
	}
}
