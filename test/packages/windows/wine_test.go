//go:build linux

package windows

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A wine is a Windows of its own.
type wine struct {
	t      *testing.T
	prefix string
	runner string // path of the script
	trace  string // file of what Wine tells of the services
	traced string // what it tells of the other programs
	letGo  func() // ends what keepAlive began
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
	}, trace: filepath.Join(t.TempDir(), "trace"), letGo: func() {}}
	t.Cleanup(w.end)
	begun := time.Now()
	w.must("wineboot", "-i")
	w.server("-w") // until that session is over, or the next finds it half gone
	t.Logf("Windows is up after %v", time.Since(begun).Round(100*time.Millisecond))
	return w
}

// end stops all programs of this Windows and removes it.
func (w *wine) end() {
	w.letGo()
	w.server("-k", "-w")
	if err := os.RemoveAll(w.prefix); err != nil {
		w.t.Log(err)
	}
}

// keepAlive runs a program that waits until the test ends. When its last
// program ends, Wine stops all services, as a Windows that is shut down. What
// the services write to their standard error goes to a file, for they are
// children of what began the session.
func (w *wine) keepAlive() {
	w.t.Helper()
	f, err := os.OpenFile(w.trace, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := w.command(shared.hold, "wait")
	cmd.Stderr = f
	release := w.background(cmd, "waiting")
	w.letGo = func() {
		release()
		f.Close()
		w.letGo = func() {}
	}
}

// reboot ends this session, in which Wine tells the services that the system
// shuts down, and begins another, in which it starts them.
func (w *wine) reboot() {
	w.t.Helper()
	w.letGo()
	w.server("-w")
	w.keepAlive()
}

// traceEvents has Wine, which keeps no event log, tell of each call that writes
// to one. It comes before keepAlive.
func (w *wine) traceEvents() {
	w.t.Helper()
	w.must("reg", "add", environment, "/v", "WINEDEBUG", "/d", "-all,+relay", "/f")
	w.must("reg", "add", `HKCU\Software\Wine\Debug`, "/v", "RelayInclude", "/d", "advapi32.ReportEventW", "/f")
	w.server("-w")
}

// events returns what was written to the event log, as "type id".
func (w *wine) events() map[string]int {
	w.t.Helper()
	data, err := os.ReadFile(w.trace)
	if err != nil {
		w.t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, m := range reported.FindAllStringSubmatch(string(data)+w.traced, -1) {
		seen[m[1]+" "+m[2]]++
	}
	return seen
}

var (
	reported = regexp.MustCompile(`Call advapi32\.ReportEventW\(\w+,(\w+),\w+,(\w+),`)
	traceOf  = regexp.MustCompile(`(?m)^[0-9a-f]{4}:.*\n?`) // of a thread
)

// background starts a program, waits until it says something, and returns what
// ends its standard input and waits for its end.
func (w *wine) background(cmd *exec.Cmd, says string) (release func()) {
	w.t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	got := make([]byte, len(says))
	if _, err := io.ReadFull(out, got); err != nil || string(got) != says {
		w.t.Fatalf("%v: %q, %v", cmd.Args, got, err)
	}
	return func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("%v: %v", cmd.Args, err)
		}
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
// whether it succeeded.
func (w *wine) run(args ...string) (string, bool) {
	w.t.Helper()
	out, code := w.exit(args...)
	return out, code == 0
}

// exit is run with the exit code. What the program wrote to its standard error
// is logged. Both go to files, for the end of a pipe is the end of all that the
// program leaves running.
func (w *wine) exit(args ...string) (string, int) {
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
	w.traced += strings.Join(traceOf.FindAllString(text[1], -1), "")
	text[1] = traceOf.ReplaceAllString(text[1], "")
	w.t.Logf("%s: %v after %v\n%s%s", strings.Join(args, " "), err, time.Since(begun).Round(10*time.Millisecond), text[0], text[1])
	return text[0], cmd.ProcessState.ExitCode()
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
