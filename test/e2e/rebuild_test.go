package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A loss is a bucket that mirrors a directory, and an agent that is about to
// lose its index.
type loss struct {
	*box.Box
	t              *testing.T
	config, source string
	files          int
}

// sent prepares n small files and one that takes several parts, has an agent
// send them, and stops it.
func sent(t *testing.T, n int, job box.Job) *loss {
	t.Helper()
	b := box.Start(t, box.Options{})
	j := box.Job{"deletes": "mirror", "settle": "20ms"}
	for k, v := range job {
		j[k] = v
	}
	config, source := configure(t, b, j, nil)
	for i := range n {
		write(t, filepath.Join(source, fmt.Sprintf("d%d-/%d", i%20, i)), fmt.Sprint("file ", i))
	}
	write(t, filepath.Join(source, "d0/x"), "a directory whose name begins as others do")
	if err := writeRandom(filepath.Join(source, "d0", "large"), 10<<20, 1); err != nil {
		t.Fatal(err)
	}
	l := &loss{Box: b, t: t, config: config, source: source, files: n + 2}
	d := start(t, config)
	waitMirror(t, b, source)
	d.waitLog("scanned")
	d.stop(syscall.SIGTERM)
	b.OSS.Requests().Reset()
	return l
}

func (l *loss) state(name string) string { return filepath.Join(l.Dir, "state", name) }

// lose removes files of the state directory, with what belongs to them.
func (l *loss) lose(names ...string) {
	l.t.Helper()
	for _, name := range names {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(l.state(name) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.t.Fatal(err)
			}
		}
	}
}

// damage overwrites the middle third of the index: whole pages, for in one that
// is damaged in part some rows are lost alone, and their files are sent again.
func (l *loss) damage() {
	l.t.Helper()
	f, err := os.OpenFile(l.state("index.db"), os.O_RDWR, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		l.t.Fatal(err)
	}
	third := st.Size() / 3 &^ 4095
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, int(third)), third); err != nil {
		l.t.Fatal(err)
	}
}

// wantSent fails the test unless exactly so many files were sent since.
func (l *loss) wantSent(want int) {
	l.t.Helper()
	keys := map[string]bool{}
	for _, r := range l.OSS.Requests().Entries() {
		if r.Op == oss.PutObject || r.Op == oss.UploadPart || r.Op == oss.CopyObject {
			keys[r.Key] = true
		}
	}
	delete(keys, ".osssync/lease")
	if len(keys) != want {
		l.t.Errorf("%d files were sent, want %d: %v", len(keys), want, keys)
	}
}

// wantDeleted fails the test unless something was deleted, or nothing, and a
// listing came before.
func (l *loss) wantDeleted(want bool) {
	l.t.Helper()
	entries := l.OSS.Requests().Entries()
	del := slices.IndexFunc(entries, func(r oss.Request) bool { return r.Op == oss.DeleteMultipleObjects || r.Op == oss.DeleteObject })
	list := slices.IndexFunc(entries, func(r oss.Request) bool { return r.Op == oss.ListObjectsV2 })
	if del >= 0 != want || del >= 0 && (list < 0 || list > del) {
		l.t.Errorf("first deletion is request %d, want one: %t; first listing is request %d", del, want, list)
	}
}

// waitCount waits until the agent has logged a message so often.
func (d *daemon) waitCount(msg string, n int) {
	d.t.Helper()
	waitFor(d.t, fmt.Sprintf("%d of log message %s", n, msg), func() bool { return d.count(msg) >= n })
}

func (d *daemon) count(msg string) int { return strings.Count(d.log.String(), `"msg":"`+msg+`"`) }

// mirrors deletes files and waits until the bucket follows.
func (l *loss) mirrors(names ...string) {
	l.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(l.source, name)); err != nil {
			l.t.Fatal(err)
		}
	}
	waitMirror(l.t, l.Box, l.source)
}

// TestIndexLost wants an agent whose index and snapshot are gone to find out
// from a listing and the files' checksums that all is in the bucket already.
func TestIndexLost(t *testing.T) {
	t.Parallel()
	l := sent(t, 2000, nil)
	l.lose("index.db", "index.snap")
	d := start(t, l.config)
	d.waitLog("index was rebuilt")
	d.waitCount("unchanged by content", l.files)
	l.wantSent(0)
	if n := l.OSS.Requests().Count(oss.HeadObject); n != 1 {
		t.Errorf("%d objects were asked for, want only the one of several parts", n)
	}
	l.mirrors("d0/large", "d7-/7", "d7-/27")
	l.wantDeleted(true)
	d.stop(syscall.SIGTERM)

	// All is as if nothing had happened.
	before := l.Asked()
	d = start(t, l.config)
	d.waitLog("scanned")
	d.stop(syscall.SIGTERM)
	if n := l.Asked() - before; n != 0 || d.count("index was rebuilt") != 0 {
		t.Errorf("%d requests for an unchanged tree, log:\n%s", n, d.log)
	}
}

// TestIndexDamaged overwrites part of the index between two runs: what can be
// read of it is believed, the rest restored.
func TestIndexDamaged(t *testing.T) {
	t.Parallel()
	l := sent(t, 2000, nil)
	l.lose("index.snap")
	l.damage()
	// A directory that is not as it was is looked up.
	for i := range 20 {
		write(t, filepath.Join(l.source, fmt.Sprintf("d%d-/new", i)), fmt.Sprint("new ", i))
	}
	d := start(t, l.config)
	d.waitLog("index compared with the bucket")
	d.waitCount("uploaded", 20)
	waitMirror(t, l.Box, l.source)
	l.wantSent(20)
	l.mirrors("d3-/3")
	l.wantDeleted(true)
}

// TestIndexDamagedOnline overwrites part of the index under the running agent.
func TestIndexDamagedOnline(t *testing.T) {
	t.Parallel()
	l := sent(t, 2000, nil)
	d := start(t, l.config)
	waitFor(t, "a snapshot", func() bool { _, err := os.Stat(l.state("index.snap")); return err == nil })
	l.lose("index.snap")
	l.damage()
	// New times, so that the agent asks the index.
	for i := range 2000 {
		write(t, filepath.Join(l.source, fmt.Sprintf("d%d-/%d", i%20, i)), fmt.Sprint("file ", i))
	}
	gone := filepath.Join(l.source, "d5-/5")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	d.waitLog("job begins again, for the index was made anew")
	d.waitLog("index compared with the bucket")
	d.waitCount("scanned", 2)
	// The vanished file may have been forgotten with its row; nothing else.
	waitFor(t, "all files to be compared", func() bool { return d.count("unchanged by content") >= 1999 })
	l.wantSent(0)
	write(t, gone, "back")
	waitMirror(t, l.Box, l.source)
	l.mirrors("d5-/5", "d6-/6")
	l.wantDeleted(true)
}

// TestIndexLostFilesGone deletes files while the agent is down and its index
// lost. Nobody can tell such an object from a stranger's, so it stays.
func TestIndexLostFilesGone(t *testing.T) {
	t.Parallel()
	l := sent(t, 200, nil)
	l.lose("index.db", "index.snap")
	for i := range 5 {
		if err := os.Remove(filepath.Join(l.source, fmt.Sprintf("d%d-/%d", i, i))); err != nil {
			t.Fatal(err)
		}
	}
	d := start(t, l.config)
	d.waitCount("unchanged by content", l.files-5)
	write(t, filepath.Join(l.source, "d9-/9"), "changed") // sent after the scan
	d.waitCount("uploaded", 1)
	if err := os.Remove(filepath.Join(l.source, "d8-/8")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a deletion", func() bool { return d.count("deleted") > 0 })
	have, err := l.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, ok := have[fmt.Sprintf("d%d-/%d", i, i)]; !ok {
			t.Errorf("object of file %d was deleted, which the index knew nothing of", i)
		}
	}
	if _, ok := have["d8-/8"]; ok || d.count("deleted") != 1 {
		t.Errorf("d8-/8 is there: %t, %d deletions", ok, d.count("deleted"))
	}
	l.wantSent(1)
	l.wantDeleted(true)
}

// TestIndexFromSnapshot loses the index but not its snapshot. The listing
// confirms it without a file being read, and what vanished meanwhile is deleted.
func TestIndexFromSnapshot(t *testing.T) {
	t.Parallel()
	l := sent(t, 500, nil)
	d := start(t, l.config)
	waitFor(t, "a snapshot", func() bool { _, err := os.Stat(l.state("index.snap")); return err == nil })
	d.stop(syscall.SIGTERM)
	l.lose("index.db")
	for i := range 5 {
		if err := os.Remove(filepath.Join(l.source, fmt.Sprintf("d%d-/%d", i, i))); err != nil {
			t.Fatal(err)
		}
	}
	l.OSS.Requests().Reset()
	d = start(t, l.config)
	waitMirror(t, l.Box, l.source)
	d.waitCount("deleted", 5)
	if n := d.count("unchanged by content"); n != 0 {
		t.Errorf("%d files were read", n)
	}
	if n := l.OSS.Requests().Count(oss.HeadObject); n != 0 {
		t.Errorf("%d objects were asked for", n)
	}
	l.wantSent(0)
	l.wantDeleted(true)
}

// TestIndexLostUnlisted loses the index of a role that may not list: objects
// are asked for one by one, and deletions wait for a listing.
func TestIndexLostUnlisted(t *testing.T) {
	t.Parallel()
	l := sent(t, 200, nil)
	l.lose("index.db", "index.snap")
	l.OSS.Faults().Add(oss.Fault{Op: oss.ListObjectsV2, Status: 403, Code: "AccessDenied"})
	d := start(t, l.config)
	d.waitCount("unchanged by content", l.files)
	l.wantSent(0)
	if err := os.Remove(filepath.Join(l.source, "d4-/4")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "deletions to be held", func() bool { return strings.Contains(d.log.String(), "the index was rebuilt and is not yet compared") })
	l.wantDeleted(false)
	if n := d.count("bucket cannot be listed to restore the index: files are compared one by one, and deletions wait"); n != 1 {
		t.Errorf("logged %d times that the bucket cannot be listed", n)
	}
	d.stop(syscall.SIGTERM)
	l.OSS.Faults().Clear()
	start(t, l.config)
	waitMirror(t, l.Box, l.source)
	l.wantSent(0)
}

// TestIndexLostBlind is the same for a role that may do nothing but put: all is
// sent once more, and that is all.
func TestIndexLostBlind(t *testing.T) {
	t.Parallel()
	l := sent(t, 50, box.Job{"deletes": "keep"})
	l.lose("index.db", "index.snap")
	for _, op := range []oss.Op{oss.ListObjectsV2, oss.HeadObject} {
		l.OSS.Faults().Add(oss.Fault{Op: op, Status: 403, Code: "AccessDenied"})
	}
	d := start(t, l.config)
	d.waitCount("uploaded", l.files)
	d.stop(syscall.SIGTERM)
	l.wantSent(l.files)
	l.OSS.Requests().Reset()
	d = start(t, l.config)
	d.waitLog("scanned")
	d.stop(syscall.SIGTERM)
	l.wantSent(0)
}

// TestSyncIndexLost is TestIndexLost for single passes, in which one job after
// the other is made good.
func TestSyncIndexLost(t *testing.T) {
	t.Parallel()
	l := sent(t, 100, nil)
	l.lose("index.db", "index.snap")
	for i, want := range []string{"0 uploaded", "0 uploaded"} {
		out, err := exec.Command(bin, "-c", l.config, "sync").CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("pass %d: %v\n%s", i, err, out)
		}
	}
	l.wantSent(0)
	if n := l.OSS.Requests().Count(oss.ListObjectsV2); n != 1 {
		t.Errorf("%d listings, want one for the first pass", n)
	}
}
