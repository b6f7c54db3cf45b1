package arch

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// TestLibcOfSQLite holds modernc.org/libc to the version that modernc.org/sqlite
// was generated for. The two are one program: with another libc SQLite may
// compile and misbehave, so its go.mod, not the newest release, decides.
func TestLibcOfSQLite(t *testing.T) {
	var sqlite, libc struct{ Path, Version, GoMod string }
	list(t, &sqlite, "list", "-m", "-json", "modernc.org/sqlite")
	list(t, &libc, "list", "-m", "-json", "modernc.org/libc")
	if sqlite.GoMod == "" {
		t.Fatalf("go list does not tell where the go.mod of %s %s is", sqlite.Path, sqlite.Version)
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	list(t, &mod, "mod", "edit", "-json", sqlite.GoMod)
	for _, r := range mod.Require {
		if r.Path != libc.Path {
			continue
		}
		if r.Version != libc.Version {
			t.Errorf("%s is %s, but %s %s wants %s: go get %s@%s",
				libc.Path, libc.Version, sqlite.Path, sqlite.Version, r.Version, libc.Path, r.Version)
		}
		return
	}
	t.Fatalf("%s names no %s", sqlite.GoMod, libc.Path)
}

// list runs the go command and decodes the JSON that it prints.
func list(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if e, ok := err.(*exec.ExitError); ok {
		t.Fatalf("go %v: %v\n%s", args, err, e.Stderr)
	} else if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
}
