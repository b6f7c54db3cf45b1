package upload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/state"
)

// isOpen reports whether a file could not be replaced because it is open,
// which is never so here.
func isOpen(error) bool { return false }

// blind makes the tree behave as on file systems without leases.
func (t *Tree) blind(on bool) {
	if !on {
		return
	}
	in, err := fstat(t.dir)
	if err != nil {
		panic(err)
	}
	t.device(t.dir, in.device).none = true
}

// trees are a directory opened in each way.
func trees(t *testing.T, dir string, follow bool) map[string]*Tree {
	t.Helper()
	m := map[string]*Tree{}
	for name, old := range map[string]bool{"openat2": false, "os.Root": true} {
		tree, err := OpenTree(dir, follow)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tree.Close() })
		tree.noOpenat2 = tree.noOpenat2 || old
		m[name] = tree
	}
	return m
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(outside, []byte("secret"), 0o644))
	must(t, os.MkdirAll(filepath.Join(dir, "d/e"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "d/e/f\xff"), []byte("x"), 0o600))
	must(t, os.Symlink("d/e/f\xff", filepath.Join(dir, "link")))
	must(t, os.Symlink("d", filepath.Join(dir, "dirlink")))
	must(t, os.Symlink(outside, filepath.Join(dir, "out")))
	must(t, os.Symlink("../"+filepath.Base(filepath.Dir(outside))+"/secret", filepath.Join(dir, "up")))
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	must(t, unix.Mknod(filepath.Join(dir, "sock"), unix.S_IFSOCK|0o644, 0))

	tests := []struct {
		path         string
		skip, follow error
	}{
		{"d/e/f\xff", nil, nil},
		{"link", ErrNotRegular, nil},
		{"dirlink/e/f\xff", ErrNotRegular, nil},
		{"out", ErrNotRegular, ErrNotRegular},
		{"up", ErrNotRegular, ErrNotRegular},
		{"loop", ErrNotRegular, ErrNotRegular},
		{"fifo", ErrNotRegular, ErrNotRegular},
		{"sock", ErrNotRegular, ErrNotRegular},
		{"d", ErrNotRegular, ErrNotRegular},
		{"none", ErrVanished, ErrVanished},
		{"d/none/x", ErrVanished, ErrVanished},
		{"d/e/f\xff/x", ErrVanished, ErrVanished},
	}
	for _, follow := range []bool{false, true} {
		for how, tree := range trees(t, dir, follow) {
			for _, tt := range tests {
				want := tt.skip
				if follow {
					want = tt.follow
				}
				f, err := tree.Open(tt.path)
				if !errors.Is(err, want) || want == nil && err != nil {
					t.Errorf("%s, follow %t: Open(%q): %v, want %v", how, follow, tt.path, err, want)
				}
				if err == nil {
					f.Close()
				}
				if _, err := tree.Stat(tt.path); !errors.Is(err, want) || want == nil && err != nil {
					t.Errorf("%s, follow %t: Stat(%q): %v, want %v", how, follow, tt.path, err, want)
				}
			}
		}
	}
}

func TestVersion(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	must(t, os.WriteFile(name, []byte("12345"), 0o640))
	when := time.Unix(1_700_000_000, 123_456_789)
	must(t, os.Chtimes(name, when, when))
	for how, tree := range trees(t, dir, false) {
		f, err := tree.Open("f")
		must(t, err)
		var st unix.Stat_t
		must(t, unix.Stat(name, &st))
		want := state.Version{Size: 5, MTime: when.UnixNano(), CTime: st.Ctim.Nano(), FileID: state.FileID{st.Ino}}
		if f.Version != want || f.mode != 0o640 {
			t.Errorf("%s: version %+v mode %v, want %+v", how, f.Version, f.mode, want)
		}
		if v, err := tree.Stat("f"); v != want || err != nil {
			t.Errorf("%s: Stat = %+v, %v", how, v, err)
		}
		f.Close()
	}
}

func TestWriters(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	must(t, os.WriteFile(name, make([]byte, 4096), 0o644))
	tree, err := OpenTree(dir, false)
	must(t, err)
	defer tree.Close()
	f, err := tree.Open("f")
	must(t, err)
	defer f.Close()
	if got := f.Writers(); got != NoWriter {
		t.Fatalf("no writer: %v", got)
	}
	w, err := os.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	if got := f.Writers(); got != Writing {
		t.Errorf("open writer: %v", got)
	}
	m, err := unix.Mmap(int(w.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	w.Close()
	if got := f.Writers(); got != Writing {
		t.Errorf("mapping of a closed file: %v", got)
	}
	must(t, unix.Munmap(m))
	if got := f.Writers(); got != NoWriter {
		t.Errorf("writer gone: %v", got)
	}
	// The lease is not kept: a writer does not have to wait.
	w, err = os.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Errorf("open for writing after a probe: %v", err)
	}
	w.Close()
}

// A file system that refuses every lease is found out; one that grants some is
// believed.
func TestLearnLeases(t *testing.T) {
	d := &device{}
	for i := range refusals {
		if got := d.learn(unix.EAGAIN); got != Writing {
			t.Fatalf("refusal %d: %v", i, got)
		}
	}
	if got := d.learn(unix.EAGAIN); got != Unknown {
		t.Errorf("one refusal too many: %v, want Unknown", got)
	}
	if got := d.learn(0); got != NoWriter {
		t.Errorf("granted: %v", got)
	}
	if got := d.learn(unix.EAGAIN); got != Writing {
		t.Errorf("refusal after a grant: %v, want Writing", got)
	}
	if got := d.learn(unix.EACCES); got != Unknown || d.none {
		t.Errorf("file of another user: %v, none %t", got, d.none)
	}
	d = &device{}
	if got := d.learn(unix.EINVAL); got != Unknown || !d.none {
		t.Errorf("no leases: %v, none %t", got, d.none)
	}
}

// However often the first file of a local file system is found being written,
// that says nothing against its leases: half a file never passes for a quiet one.
func TestRefusedFirst(t *testing.T) {
	dir := t.TempDir()
	w, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer w.Close()
	tree, err := OpenTree(dir, false)
	must(t, err)
	defer tree.Close()
	for i := range refusals + 2 {
		f, err := tree.Open("f")
		must(t, err)
		if got := f.Writers(); got != Writing {
			t.Fatalf("look %d at a file with a writer: %v, want Writing", i+1, got)
		}
		f.Close()
	}
}

func TestAtLeast(t *testing.T) {
	for release, want := range map[string]bool{
		"6.13.0": true, "6.13-rc1": true, "6.12.99": false, "7.0.1": true, "5.15.0-91-generic": false,
		"6.18.44-fc-v769": true, "10.0": true, "": false, "6": false, "4.19.113.alios7": false,
	} {
		if got := atLeast(release, 6, 13); got != want {
			t.Errorf("atLeast(%q, 6, 13) = %t", release, got)
		}
	}
}

func TestRacy(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644))
	tree, err := OpenTree(dir, false)
	must(t, err)
	defer tree.Close()
	tests := []struct {
		name string
		fine bool
		age  time.Duration
		nsec int64
		want bool
	}{
		{"fine times", true, time.Microsecond, 5, false},
		{"coarse times, young", false, 5 * time.Millisecond, 5, true},
		{"coarse times, old", false, 15 * time.Millisecond, 5, false},
		{"whole seconds, young", true, time.Second, 0, true},
		{"whole seconds, old", true, 3 * time.Second, 0, false},
		{"from the future", false, -time.Minute, 5, true},
		{"whole seconds, from the future", true, -time.Hour, 0, true},
		{"fine times, from the future", true, -time.Hour, 5, false},
	}
	for _, tt := range tests {
		f, err := tree.Open("f")
		must(t, err)
		tree.device(f.file, f.device).fine = tt.fine
		f.CTime = 1_700_000_000*int64(time.Second) + tt.nsec
		f.opened = time.Unix(0, f.CTime).Add(tt.age)
		if got := f.racy(); got != tt.want {
			t.Errorf("%s: racy = %t", tt.name, got)
		}
		f.Close()
	}
}

func TestPresent(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "source")
	must(t, os.Mkdir(dir, 0o755))
	tree, err := OpenTree(dir, false)
	must(t, err)
	defer tree.Close()
	id, err := tree.Identity()
	must(t, err)
	must(t, tree.Present())
	must(t, os.Rename(dir, filepath.Join(base, "other")))
	if err := tree.Present(); !errors.Is(err, ErrRootChanged) {
		t.Errorf("moved away: %v, want ErrRootChanged", err)
	}
	must(t, os.Mkdir(dir, 0o755))
	if err := tree.Present(); !errors.Is(err, ErrRootChanged) {
		t.Errorf("replaced: %v, want ErrRootChanged", err)
	}
	if again, err := tree.Identity(); again != id || err != nil {
		t.Errorf("identity of the opened directory: %v, %v; was %v", again, err, id)
	}
}
