//go:build linux

// Package windows runs osssync on Windows, which here is Wine: the unit tests of
// every package, and the MSI from its installation to its removal, with the
// service at work between. It is `make test-packages-windows`; without its flag
// it tests nothing.
//
// Wine 10 comes from a Debian tree that is made once, from the mirror that this
// machine's own apt uses, and kept in $OSSSYNC_TREES, by default below the
// user's cache directory. What Wine cannot do, docs/windows.md says.
package windows

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var wineFlag = flag.Bool("wine", false, "run Windows programs under Wine")

// A lab is what the tests share.
type lab struct {
	dir  string // goes at the end
	tree string // the Debian with Wine in it
	why  string // there is none
	hold string // the other programs of a Windows; see ./hold

	mu      sync.Mutex
	skipped []string

	building sync.Mutex
	programs map[string]string // osssync.exe by its version
}

// shared is the lab, made by TestMain.
var shared = &lab{}

func TestMain(m *testing.M) {
	flag.Parse()
	if !*wineFlag {
		fmt.Println("windows: SKIPPED: needs -wine, as in `make test-packages-windows`")
		os.Exit(0)
	}
	code, err := shared.run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "windows:", err)
		code = 1
	}
	os.Exit(code)
}

func (l *lab) run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "osssync-windows-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	l.dir = dir
	if l.why = missing("unshare", "chroot", "mmdebstrap", "apt-get"); l.why == "" {
		if l.tree, err = wineTree(); err != nil {
			return 1, err
		}
		l.hold = filepath.Join(dir, "hold.exe")
		if err := build(l.hold, "./test/packages/windows/hold"); err != nil {
			return 1, err
		}
	}
	code := m.Run()
	for _, s := range l.skipped {
		fmt.Println("windows: SKIPPED:", s)
	}
	fmt.Printf("windows: %d skipped\n", len(l.skipped))
	return code, nil
}

// build builds a program for Windows.
func build(exe string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", exe}, args...)...)
	cmd.Dir, cmd.Env = "../../..", forWindows()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// forWindows is the environment in which go builds for Windows.
func forWindows() []string {
	return append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
}

// missing returns what is missing here, "" for nothing.
func missing(programs ...string) string {
	if os.Geteuid() != 0 {
		return "needs root"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return "needs " + p
		}
	}
	return ""
}

// note notes that something was not tested, for the end of the run.
func note(t *testing.T, why string) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.skipped = append(shared.skipped, t.Name()+": "+why)
}

func skip(t *testing.T, why string) {
	t.Helper()
	note(t, why)
	t.Skip("SKIPPED: " + why)
}

// wineTree returns the tree with Wine, which it makes where there is none.
func wineTree() (string, error) {
	base := os.Getenv("OSSSYNC_TREES")
	if base == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(cache, "osssync", "trees")
	}
	dir := filepath.Join(base, "trixie-wine")
	if _, err := os.Stat(filepath.Join(dir, "etc")); err == nil {
		return dir, nil
	}
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SITE)", "Identifier: Packages").Output()
	if err != nil {
		return "", err
	}
	mirror, _, _ := strings.Cut(string(out), "\n")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(base, "wine.half-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	// In a mount namespace of its own, where what it mounts goes with it: half a
	// tree that was left by a run which was killed can be removed then.
	cmd := exec.Command("unshare", "--mount", "--propagation", "private",
		"mmdebstrap", "--variant=minbase", "--include=wine64,wine",
		"--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/*; echo 127.0.0.1 localhost >$1/etc/hosts",
		"trixie", half, mirror)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mmdebstrap: %w\n%s", err, out)
	}
	err = errors.Join(os.Chmod(half, 0o755), os.Rename(half, dir))
	if _, there := os.Stat(filepath.Join(dir, "etc")); there == nil {
		err = nil // or another run was faster
	}
	return dir, err
}
