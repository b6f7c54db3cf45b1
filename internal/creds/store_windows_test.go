package creds

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// platformChildren are this system's for TestMain.
func platformChildren() map[string]func(string) { return nil }

// The file holds nothing that can be read, and not for another machine.
func TestSealed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		path := filepath.Join(dir, "v1.json")
		data := read(t, path)
		for _, mark := range []string{secretMark, tokenMark, "STS.app"} {
			if bytes.Contains(data, []byte(mark)) {
				t.Errorf("%s can be read in the file", mark)
			}
		}
		if _, err := unseal(data, digest("machine-1")); err != nil {
			t.Errorf("unseal: %v", err)
		}
		if _, err := unseal(data, digest("machine-2")); err == nil {
			t.Error("unsealed with another machine's entropy")
		}
		benchOn(t, f, cached(dir)).want(t, "STS.app.1")
		f.wantRequests(t)
	})
}

func TestSealedHardLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		path := filepath.Join(dir, "v1.json")
		if err := os.Link(path, path+".second"); err != nil {
			t.Fatal(err)
		}
		if s := benchOn(t, f, cached(dir)).want(t, "STS.app.1"); s.Source != "metadata" {
			t.Errorf("snapshot is from %s", s.Source)
		}
	})
}

// Nobody else is in the access lists.
func TestAccessLists(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, _ := fill(t)
		for _, path := range []string{dir, filepath.Join(dir, "v1.json"), filepath.Join(dir, "v1.json.lock")} {
			sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
			if err != nil {
				t.Fatal(err)
			}
			for _, all := range []string{";WD)", ";BU)", ";AU)", ";IU)"} {
				if bytes.Contains([]byte(sd.String()), []byte(all)) {
					t.Errorf("%s: %s", path, sd)
				}
			}
		}
	})
}

func TestBootIsStable(t *testing.T) {
	first, err := bootID()
	if err != nil || first == "" {
		t.Fatalf("bootID = %q, %v", first, err)
	}
	time.Sleep(20 * time.Millisecond)
	if second, err := bootID(); second != first || err != nil {
		t.Errorf("bootID = %q, then %q, %v", first, second, err)
	}
}
