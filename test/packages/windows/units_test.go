//go:build linux

package windows

import (
	"bufio"
	"bytes"
	"cmp"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const module = "github.com/osssync/osssync/"

// less are flags for tests that try at random, and whose many tries on Linux
// say no more about Windows.
var less = map[string][]string{
	"internal/upload": {"-torn.rounds=40"},
	"internal/state":  {"-kills=3", "-powercuts=12", "-corruptions=12"},
}

// TestUnits runs the unit tests of every package, all of them in one Windows.
func TestUnits(t *testing.T) {
	t.Parallel()
	w := newWine(t)
	w.keepAlive() // or each package would boot it anew
	begun := time.Now()
	packages, dir := compiled(t)
	t.Logf("compiled after %v", time.Since(begun).Round(100*time.Millisecond))
	// In a group of their own, so that the Windows stays until all have ended.
	t.Run("of", func(t *testing.T) {
		for _, pkg := range packages {
			t.Run(pkg, func(t *testing.T) {
				t.Parallel()
				units(t, w, pkg, filepath.Join(dir, filepath.Base(pkg)+".test.exe"))
			})
		}
	})
}

// compiled compiles the tests of every package into a directory.
func compiled(t *testing.T) (packages []string, dir string) {
	t.Helper()
	list := exec.Command("go", "list", "./internal/...", "./cmd/...")
	list.Dir, list.Env = "../../..", forWindows()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		packages = append(packages, strings.TrimPrefix(pkg, module))
	}
	dir = t.TempDir()
	build := exec.Command("go", "test", "-c", "-trimpath", "-vet=off", "-o", dir+"/", "./internal/...", "./cmd/...")
	build.Dir, build.Env = "../../..", forWindows()
	if out, err := build.CombinedOutput(); err != nil || bytes.Contains(out, []byte("[no test files]")) {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return packages, dir
}

// units runs the tests of a package as go test does, in its directory.
func units(t *testing.T, w *wine, pkg, exe string) {
	cmd := w.command(append([]string{exe, "-test.v", "-test.timeout=10m"}, less[pkg]...)...)
	cmd.Dir = filepath.Join("../../..", pkg)
	cmd.WaitDelay = 10 * time.Second // for what it may leave running
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, failures(string(out)))
	}
	passed := bytes.Count(out, []byte("--- PASS: "))
	if passed == 0 || !bytes.HasSuffix(bytes.TrimSpace(out), []byte("PASS")) {
		t.Fatalf("no test ran, or not all:\n%s", out)
	}
	for _, s := range skips(string(out)) {
		note(t, s)
	}
	t.Logf("%d tests passed in %v", passed, time.Since(begun).Round(100*time.Millisecond))
	for _, s := range slowest(string(out)) {
		t.Log(s)
	}
}

var verdict = regexp.MustCompile(`^\s*--- (FAIL|SKIP|PASS): (\S+)`)

// failures returns the end of what go test printed, with all that failed.
func failures(out string) string {
	var b strings.Builder
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		line := s.Text()
		if m := verdict.FindStringSubmatch(line); m != nil && m[1] == "FAIL" || strings.Contains(line, "_test.go:") || strings.HasPrefix(line, "panic") {
			b.WriteString(line + "\n")
		}
	}
	const enough = 8 << 10
	return b.String()[max(0, b.Len()-enough):] + "…\n" + out[max(0, len(out)-enough):]
}

var heading = regexp.MustCompile(`^=== (?:RUN|CONT|NAME) +(\S+)`)

// skips returns which tests were skipped, each with its reason: the last line
// that it logged.
func skips(out string) []string {
	var all []string
	test, last := "", map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(out, "\r", "")) {
		if m := heading.FindStringSubmatch(line); m != nil {
			test = m[1]
		} else if m := verdict.FindStringSubmatch(line); m != nil && m[1] == "SKIP" {
			all = append(all, m[2]+": "+cmp.Or(last[m[2]], "no reason given"))
		} else if _, why, logged := strings.Cut(line, "_test.go:"); logged {
			_, why, _ = strings.Cut(strings.TrimSpace(why), ": ")
			last[test] = why
		}
	}
	return all
}

var slow = regexp.MustCompile(`(?m)^--- PASS: \S+ \((?:\d{2,}|[5-9])\.\d+s\)`)

// slowest returns the tests that took 5 seconds or more.
func slowest(out string) []string { return slow.FindAllString(out, -1) }
