package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

var (
	renamedFiles = flag.Int("renamed.files", 300, "files of the directory that is renamed; the figure of record is 5000")
	touchedFiles = flag.Int("touched.files", 300, "files that are touched; the figure of record is 10000")
)

// fill makes files of a directory of its own, with different bytes.
func fill(t *testing.T, source, dir string, n int) {
	t.Helper()
	for i := range n {
		write(t, filepath.Join(source, dir, fmt.Sprint(i%7), fmt.Sprint(i)), fmt.Sprintf("file %d of %s", i, dir))
	}
}

// count returns how many requests of an operation there were since the log was
// reset, but those about leases.
func count(b *box.Box, op oss.Op) (n int) {
	for _, r := range b.OSS.Requests().Entries() {
		if r.Op == op && !box.IsLease(r.Key) && r.Status/100 == 2 {
			n++
		}
	}
	return n
}

// TestRenamedDirectory: a renamed directory is as many copies, and no byte is
// sent. Its old keys become what the job's deletes says.
func TestRenamedDirectory(t *testing.T) {
	t.Parallel()
	for _, deletes := range []string{"keep", "mirror", "trash"} {
		t.Run(deletes, func(t *testing.T) {
			t.Parallel()
			b := box.Start(t, box.Options{})
			n := *renamedFiles
			config, source := configure(t, b, box.Job{"deletes": deletes, "max_deletes": "10"}, nil)
			fill(t, source, "old/a", n)
			aged(t, source)
			sync1(t, config)
			b.OSS.Requests().Reset()
			if err := os.Rename(filepath.Join(source, "old"), filepath.Join(source, "new")); err != nil {
				t.Fatal(err)
			}
			s := sync1(t, config)
			if puts, copies := count(b, oss.PutObject), int(b.OSS.Requests().Count(oss.CopyObject)); puts != 0 || s.Bytes != 0 || copies < n {
				t.Errorf("%d puts, %d copies, summary %+v; want %d copies and no byte", puts, copies, s, n)
			}
			want := map[string]int{"new/": n}
			switch deletes {
			case "keep":
				want["old/"] = n
			case "trash":
				want[".trash/"] = n
			}
			under(t, b, want)
		})
	}
}

// under checks how many objects there are below each first directory.
func under(t *testing.T, b *box.Box, want map[string]int) {
	t.Helper()
	objects, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for key := range objects {
		dir, _, _ := strings.Cut(key, "/")
		got[dir+"/"]++
	}
	for dir := range got {
		if got[dir] != want[dir] {
			t.Errorf("%d objects below %s, want %d", got[dir], dir, want[dir])
		}
	}
	for dir := range want {
		if got[dir] != want[dir] {
			t.Errorf("%d objects below %s, want %d", got[dir], dir, want[dir])
		}
	}
}

// aged gives all files a time of an hour ago with a fraction, as a file has
// that a program wrote, and waits until their entries will be certain.
func aged(t *testing.T, source string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(source, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			err = os.Chtimes(path, old, old.Add(time.Duration(rand.Int64N(1e9))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the grain of file times
}

// TestRenamedDirectoryKilled ends the agent without a warning at random moments
// of the copies. In the end every file is under its new key, nothing is left
// under an old one, and what was copied before the kill is not sent.
func TestRenamedDirectoryKilled(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	n := *renamedFiles
	config, source := configure(t, b, box.Job{"deletes": "mirror"}, nil)
	fill(t, source, "old/a", n)
	aged(t, source)
	sync1(t, config)
	b.OSS.Faults().Add(oss.Fault{Op: oss.CopyObject, Latency: 20 * time.Millisecond})
	b.OSS.Requests().Reset()
	if err := os.Rename(filepath.Join(source, "old"), filepath.Join(source, "new")); err != nil {
		t.Fatal(err)
	}
	moments := []int{rand.IntN(n), rand.IntN(n), rand.IntN(n)}
	slices.Sort(moments)
	for _, m := range moments {
		d := start(t, config)
		waitFor(t, "the next moment", func() bool { return count(b, oss.CopyObject) >= m })
		d.stop(syscall.SIGKILL)
		objects, err := b.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for i := range n { // at no moment is a file under neither key
			name := fmt.Sprintf("/a/%d/%d", i%7, i)
			_, before := objects["old"+name]
			_, after := objects["new"+name]
			if !before && !after {
				t.Fatalf("%s is under neither key after a kill", name)
			}
		}
	}
	d := start(t, config)
	waitMirror(t, b, source)
	d.stop(syscall.SIGTERM)
	if puts := count(b, oss.PutObject); puts > 0 {
		t.Errorf("%d files were sent; all of them could be copied", puts)
	}
	under(t, b, map[string]int{"new/": n})
}

// TestTouched: files that get another time without a change are read, and
// nothing is sent. A pass does not know how the one before it ended, and asks for
// their objects; the agent knows.
func TestTouched(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	n := *touchedFiles
	config, source := configure(t, b, nil, nil)
	fill(t, source, "d", n)
	sync1(t, config)
	b.OSS.Requests().Reset()
	aged(t, source)
	s := sync1(t, config)
	if s.Uploaded != 0 || s.Bytes != 0 || s.Failed != 0 {
		t.Errorf("summary %+v of a pass over touched files", s)
	}
	for _, r := range b.OSS.Requests().Entries() {
		if !box.IsLease(r.Key) && r.Op != oss.HeadObject {
			t.Fatalf("%s of %s was asked for a touched file", r.Op, r.Key)
		}
	}
	if s = sync1(t, config); s.Requests != 0 {
		t.Errorf("summary %+v of the pass after it", s)
	}

	d := start(t, config)
	d.waitLog("scanned")
	b.OSS.Requests().Reset()
	aged(t, source)
	if _, err := d.control(b).Wait(within(t), nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.OSS.Requests().Entries() {
		if !box.IsLease(r.Key) {
			t.Fatalf("%s of %s was asked for by the agent", r.Op, r.Key)
		}
	}
}

// TestRenamedNoCopy: where the object of a renamed file cannot be copied, the file
// is sent, large or small, and nothing is said to have failed.
func TestRenamedNoCopy(t *testing.T) {
	t.Parallel()
	for _, fault := range []oss.Fault{
		{Op: oss.CopyObject, Status: 403, Code: "AccessDenied"},
		{Op: oss.CopyObject, Status: 404, Code: "NoSuchKey"},
	} {
		b := box.Start(t, box.Options{})
		config, source := configure(t, b, box.Job{"deletes": "mirror"}, nil)
		for name, size := range map[string]int64{"small": 100, "large": 9 << 20, "stays": 1} {
			if err := writeRandom(filepath.Join(source, name), size, 1); err != nil {
				t.Fatal(err)
			}
		}
		aged(t, source)
		sync1(t, config)
		for _, name := range []string{"small", "large"} {
			if err := os.Rename(filepath.Join(source, name), filepath.Join(source, name+"-new")); err != nil {
				t.Fatal(err)
			}
		}
		b.OSS.Faults().Add(fault)
		if s := sync1(t, config); s.Uploaded != 2 || s.Copied != 0 || s.Deleted != 2 || s.Failed != 0 {
			t.Errorf("%s: %+v", fault.Code, s)
		}
		equal(t, b, source)
	}
}
