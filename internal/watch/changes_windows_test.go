package watch

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/windows"
)

// A told is a change as Windows tells it.
type told struct {
	action uint32
	name   string // with \ between elements
}

// filled returns a buffer as ReadDirectoryChangesW fills it.
func filled(all ...told) []byte {
	var b []byte
	for i, c := range all {
		name := utf16.Encode([]rune(c.name))
		size := (12 + 2*len(name) + 3) &^ 3
		next := size
		if i == len(all)-1 {
			next = 0
		}
		for _, n := range []int{next, int(c.action), 2 * len(name)} {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
		for _, u := range name {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

// quiet returns a source that nothing but the test fills.
func quiet(reasons *[]error) *changes {
	return &changes{host: host{
		root:    `C:\nowhere`,
		opt:     Options{Exclude: func(dir string) bool { return dir == "Out" }},
		pending: newPending(func() {}),
		lost:    func(reason error) { *reasons = append(*reasons, reason) },
	}}
}

// What a filled buffer tells is marked: both names of a rename, in case alone
// too, and nothing of alternate streams and excluded directories.
func TestChanges(t *testing.T) {
	var reasons []error
	s := quiet(&reasons)
	s.changed(filled(
		told{windows.FILE_ACTION_ADDED, `new`},
		told{windows.FILE_ACTION_MODIFIED, `Dir\Sub\日志 ü.txt`},
		told{windows.FILE_ACTION_MODIFIED, `Dir\file:stream:$DATA`},
		told{windows.FILE_ACTION_MODIFIED, `Out\deep\file`},
		told{windows.FILE_ACTION_REMOVED, `Dir\gone`},
		told{windows.FILE_ACTION_RENAMED_OLD_NAME, `Dir\Case`},
		told{windows.FILE_ACTION_RENAMED_NEW_NAME, `Dir\case`},
		told{windows.FILE_ACTION_RENAMED_NEW_NAME, `from a buffer before`},
		told{windows.FILE_ACTION_ADDED, `Dir\twice`},
		told{windows.FILE_ACTION_REMOVED, `Dir\twice`},
	))
	const gone = mark(Removed) | markGone | markTree | markLook
	want := map[string]map[string]mark{
		"":        {"new": mark(Changed) | markLook, "from a buffer before": mark(Changed) | markLook},
		"Dir/Sub": {"日志 ü.txt": mark(Changed)},
		"Dir":     {"gone": gone, "Case": gone, "case": mark(Moved) | markLook, "twice": gone},
	}
	got := map[string]map[string]mark{}
	for dir, b := range s.pending.buckets {
		got[dir] = b.names
	}
	if diff := cmp.Diff(want, got); diff != "" || len(reasons) != 0 {
		t.Errorf("%v\n%s", reasons, diff)
	}
}

// A name that would end behind the buffer is not read.
func TestMalformedChanges(t *testing.T) {
	for _, length := range []uint32{1 << 31, 1000, 9} {
		var reasons []error
		s := quiet(&reasons)
		b := filled(told{windows.FILE_ACTION_ADDED, "name"})
		binary.LittleEndian.PutUint32(b[8:], length)
		s.changed(b)
		if len(reasons) != 1 || len(s.pending.buckets) != 0 {
			t.Errorf("a name of %d bytes in a buffer of %d: %v, %d marks", length, len(b), reasons, len(s.pending.buckets))
		}
	}
}

// The buffer is large, or as small as a network allows.
func TestBuffers(t *testing.T) {
	for _, size := range []int{largeBuffer, smallBuffer} {
		h := host{root: t.TempDir(), pending: newPending(func() {}), lost: func(reason error) { t.Error(reason) }}
		s, err := openChanges(h, size)
		must(t, err)
		if len(s.buf) != size || isRemote(s.dir) {
			t.Errorf("buffer of %d bytes, remote %v", len(s.buf), isRemote(s.dir))
		}
		s.close()
	}
	if src, why := openSource(host{root: t.TempDir(), pending: newPending(func() {}), lost: func(error) {}}); src == nil {
		t.Errorf("a local directory is polled: %s", why)
	} else if got := len(src.(*changes).buf); got != 1<<20 {
		t.Errorf("buffer of %d bytes, want 1 MiB", got)
	} else {
		src.close()
	}
}

func TestRemote(t *testing.T) {
	for path, want := range map[string]bool{
		`\\server\share`:            true,
		`\\server\share\logs`:       true,
		`\\?\UNC\server\share\logs`: true,
		`\\?\unc\server\share`:      true,
		`C:\logs`:                   false,
		`\\?\C:\logs`:               false,
		`\\.\C:\logs`:               false,
	} {
		if remote(path) != want {
			t.Errorf("remote(%s) = %v", path, !want)
		}
		src, why := openSource(host{root: path, pending: newPending(func() {}), lost: func(error) {}})
		if want && (src != nil || why != viaNetwork) {
			t.Errorf("%s is watched, or polled for another reason: %s", path, why)
		}
		if src != nil {
			src.close()
		}
	}
}
