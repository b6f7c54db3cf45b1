//go:build linux

// Package windows runs osssync on Windows, which here is Wine: the unit tests of
// every package, and the MSI from its installation to its removal, with the
// service at work between. It is a part of `make test-packages`; without its
// flag it tests nothing.
//
// Wine 10 comes from a Debian tree that is made once, from the mirror that this
// machine's own apt uses, and kept in $OSSSYNC_TREES, by default below the
// user's cache directory. What Wine cannot do, docs/windows.md says.
package windows

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var wineFlag = flag.Bool("wine", false, "run Windows programs under Wine")

// A lab is what the tests share.
type lab struct {
	dir  string // goes at the end
	tree string // the Debian with Wine in it
	why  string // there is none

	mu      sync.Mutex
	skipped []string
}

// shared is the lab, made by TestMain.
var shared = &lab{}

func TestMain(m *testing.M) {
	flag.Parse()
	if !*wineFlag {
		fmt.Println("windows: SKIPPED: needs -wine, as in `make test-packages`")
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
	}
	code := m.Run()
	for _, s := range l.skipped {
		fmt.Println("windows: SKIPPED:", s)
	}
	fmt.Printf("windows: %d skipped\n", len(l.skipped))
	return code, nil
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
	cmd := exec.Command("mmdebstrap", "--variant=minbase", "--include=wine64,wine",
		"--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/*; echo 127.0.0.1 localhost >$1/etc/hosts",
		"trixie", half, mirror)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mmdebstrap: %w\n%s", err, out)
	}
	return dir, errors.Join(os.Chmod(half, 0o755), os.Rename(half, dir))
}

// A wine is a Windows of its own.
type wine struct {
	t      *testing.T
	prefix string
	runner string // path of the script
	env    []string
}

// newWine makes a Windows, which goes at the end of the test. It skips the test
// where that cannot be had.
func newWine(t *testing.T) *wine {
	t.Helper()
	if shared.tree == "" {
		skip(t, "no Windows here: "+shared.why)
	}
	runner, err := filepath.Abs("testdata/wine")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	prefix, err := os.MkdirTemp(shared.dir, "prefix-")
	if err != nil {
		t.Fatal(err)
	}
	binds := []string{os.TempDir(), root}
	for _, name := range []string{"GOMODCACHE", "GOROOT", "GOCACHE"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		binds = append(binds, strings.TrimSpace(string(out)))
	}
	w := &wine{t: t, prefix: prefix, runner: runner, env: []string{
		"WINE_ROOT=" + shared.tree, "WINEPREFIX=" + prefix, "WINE_BINDS=" + strings.Join(binds, ":"),
		"WINEDLLOVERRIDES=mscoree,mshtml=", // no offers to download them
	}}
	t.Cleanup(w.end)
	begun := time.Now()
	w.must("wineboot", "-i")
	w.server("-w") // until that session is over, or the next finds it half gone
	t.Logf("Windows is up after %v", time.Since(begun).Round(100*time.Millisecond))
	return w
}

// end stops all programs of this Windows and removes it.
func (w *wine) end() {
	w.server("-k", "-w")
	if err := os.RemoveAll(w.prefix); err != nil {
		w.t.Log(err)
	}
}

// server has the server of this Windows do something, if there is one.
func (w *wine) server(args ...string) {
	cmd := w.command(args...)
	cmd.Env = append(cmd.Env, "WINE_BIN=wineserver")
	_ = cmd.Run()
}

// command returns a Windows program to be run.
func (w *wine) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.runner, args...)
	cmd.Env = append(os.Environ(), w.env...)
	return cmd
}

// run runs a program and returns what it wrote to its standard output, and
// whether it succeeded. What it wrote to the other is logged. Both go to files,
// for the end of a pipe is the end of all that the program leaves running.
func (w *wine) run(args ...string) (string, bool) {
	w.t.Helper()
	dir := w.t.TempDir()
	var text [2]string
	cmd := w.command(args...)
	for i, stream := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		*stream = f
	}
	begun := time.Now()
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		w.t.Fatal(err)
	}
	for i := range text {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			w.t.Fatal(err)
		}
		text[i] = strings.ReplaceAll(string(data), "\r\n", "\n")
	}
	w.t.Logf("%s: %v after %v\n%s%s", strings.Join(args, " "), err, time.Since(begun).Round(10*time.Millisecond), text[0], text[1])
	return text[0], err == nil
}

// must is run for what must succeed.
func (w *wine) must(args ...string) string {
	w.t.Helper()
	out, ok := w.run(args...)
	if !ok {
		w.t.Fatalf("%s failed", strings.Join(args, " "))
	}
	return out
}

// file returns where drive C: has a path, outside of it.
func (w *wine) file(path string) string {
	return filepath.Join(w.prefix, "drive_c", filepath.FromSlash(path))
}
