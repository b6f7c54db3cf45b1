// Package arch holds the module to the import table of docs/design.md.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/osssync/osssync/"

// allowed lists, for each package of the product, the packages of this module
// that it may import. Tests may import the sandbox besides.
var allowed = map[string][]string{
	"cmd/osssync":      {"internal/config", "internal/creds", "internal/state", "internal/watch", "internal/plan", "internal/upload", "internal/bucket", "internal/agent", "internal/service"},
	"internal/config":  {},
	"internal/creds":   {},
	"internal/state":   {},
	"internal/service": {},
	"internal/winfile": {},
	"internal/volume":  {},
	"internal/watch":   {"internal/winfile", "internal/volume"},
	"internal/upload":  {"internal/state", "internal/winfile", "internal/volume"},
	"internal/plan":    {"internal/state", "internal/upload"},
	"internal/bucket":  {"internal/upload", "internal/creds"},
	"internal/agent":   {"internal/watch", "internal/plan", "internal/upload", "internal/state", "internal/config"},
}

// confined lists what only one package may import.
var confined = map[string][]string{
	"github.com/aliyun/aliyun-oss-go-sdk": {"internal/bucket"},
	"modernc.org/sqlite":                  {"internal/state"},
	"github.com/fsnotify/fsnotify":        {"internal/watch"},
	"github.com/BurntSushi/toml":          {"internal/config"},
	"github.com/spf13/cobra":              {"cmd/osssync"},
	"github.com/prometheus/client_golang": {"internal/agent", "cmd/osssync"},
}

// TestImports parses every file, whatever platform it is for.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			pkg := filepath.ToSlash(filepath.Dir(rel))
			seen[pkg] = true
			checkFile(t, path, pkg, strings.HasSuffix(path, "_test.go"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("the table names %s, which has no files", pkg)
		}
	}
}

func checkFile(t *testing.T, path, pkg string, test bool) {
	t.Helper()
	may, ok := allowed[pkg]
	if !ok {
		t.Errorf("%s: package %s is not in the import table", path, pkg)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if own, ok := strings.CutPrefix(imp, module); ok {
			fromTest := test && (own == pkg || strings.HasPrefix(own, "test/sandbox/"))
			if !fromTest && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which the table does not allow", path, own)
			}
			continue
		}
		for lib, pkgs := range confined {
			if strings.HasPrefix(imp, lib) && !test && !slices.Contains(pkgs, pkg) {
				t.Errorf("%s imports %s, which belongs to %v alone", path, imp, pkgs)
			}
		}
	}
}

// TestPlainSource holds every Go file to two rules that no linter knows: no
// init functions, and runtime.GOOS nowhere, since a platform is a file.
func TestPlainSource(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, word := range []string{"runtime." + "GOOS", "\nfunc init" + "()"} {
				if strings.Contains(string(src), word) {
					t.Errorf("%s contains %q", path, strings.TrimSpace(word))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
