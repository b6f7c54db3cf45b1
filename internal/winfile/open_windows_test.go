package winfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

func TestOpen(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "Dir", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "Dir", "A long name.text"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for path, want := range map[string]error{
		".":                     nil,
		"Dir":                   nil,
		"Dir/sub":               nil,
		"Dir/A long name.text":  nil,
		"dir":                   fs.ErrNotExist,
		"dir/sub":               fs.ErrNotExist,
		"Dir/a long name.text":  fs.ErrNotExist,
		"Dir/ALONGN~1.TEX":      fs.ErrNotExist,
		"none":                  fs.ErrNotExist,
		"../" + "Dir":           fs.ErrInvalid,
		`Dir\sub`:               fs.ErrInvalid,
		"Dir/A long name.text:": fs.ErrInvalid,
		"":                      fs.ErrInvalid,
	} {
		h, err := Open(windows.Handle(dir.Fd()), path, windows.FILE_READ_ATTRIBUTES, 0)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("Open(%q) = %v, want %v", path, err, want)
		}
		if err == nil {
			windows.CloseHandle(h)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name, path   string
		same, folded bool
	}{
		{`\a\b\c`, "b/c", true, true},
		{`\a\b\c`, "B/c", false, true},
		{`\a\b\c`, "c/c", false, false},
		{`\a\b\PROGRA~1`, "b/Program Files", false, false},
		{`\a\b.\dots`, "b/dots...", true, true},
		{`\c`, "a/b/c", false, false},
		{`\Ü`, "ü", false, true},
	} {
		if same, folded := compare(tt.name, tt.path); same != tt.same || folded != tt.folded {
			t.Errorf("compare(%s, %s) = %v, %v", tt.name, tt.path, same, folded)
		}
	}
}

func TestIsHere(t *testing.T) {
	const reparse = windows.FILE_ATTRIBUTE_REPARSE_POINT
	const cloud, wci, symlink, junction = 0x9000001A, 0x80000018, 0xA000000C, 0xA0000003
	for _, tt := range []struct {
		attributes, tag uint32
		here, link      bool
	}{
		{windows.FILE_ATTRIBUTE_NORMAL, 0, true, false},
		{windows.FILE_ATTRIBUTE_ARCHIVE | windows.FILE_ATTRIBUTE_SPARSE_FILE, 0, true, false},
		{reparse | windows.FILE_ATTRIBUTE_SPARSE_FILE, tagDedup, true, false},
		{reparse, cloud, false, false},
		{reparse, wci, false, false},
		{reparse, symlink, false, true},
		{reparse, junction, false, true},
		{windows.FILE_ATTRIBUTE_OFFLINE, 0, false, false},
		{reparse | windows.FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, tagDedup, false, false},
	} {
		if got := IsHere(tt.attributes, tt.tag); got != tt.here {
			t.Errorf("IsHere(%#x, %#x) = %v", tt.attributes, tt.tag, got)
		}
		if got := IsLink(tt.attributes, tt.tag); got != tt.link {
			t.Errorf("IsLink(%#x, %#x) = %v", tt.attributes, tt.tag, got)
		}
	}
}
