//go:build linux

package windows

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// less are flags for tests that try at random, and whose many tries on Linux
// say no more about Windows.
var less = map[string][]string{
	"internal/upload": {"-torn.rounds=40"},
	"internal/state":  {"-kills=3", "-powercuts=12", "-corruptions=12"},
}

// TestUnits runs the unit tests of every package.
func TestUnits(t *testing.T) {
	t.Parallel()
	hold := buildHold(t)
	w := newWine(t)
	w.keepAlive(hold) // or each package would boot it anew
	list := exec.Command("go", "list", "./internal/...", "./cmd/...")
	list.Dir, list.Env = "../../..", append(os.Environ(), "GOOS=windows")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	// In a group of their own, so that the Windows stays until all have ended.
	t.Run("of", func(t *testing.T) {
		for pkg := range strings.FieldsSeq(string(out)) {
			name := strings.TrimPrefix(pkg, "github.com/osssync/osssync/")
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				units(t, w, "./"+name, less[name])
			})
		}
	})
}

func units(t *testing.T, w *wine, pkg string, flags []string) {
	args := append([]string{"test", "-exec", w.runner, "-vet=off", "-v", "-timeout=5m", pkg}, flags...)
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = "../../..", append(append(os.Environ(), w.env...), "GOOS=windows", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	passed := bytes.Count(out, []byte("--- PASS: "))
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, failures(string(out)))
	}
	if passed == 0 && !bytes.Contains(out, []byte("[no test files]")) && !bytes.Contains(out, []byte("no tests to run")) {
		t.Fatalf("no test ran:\n%s", out)
	}
	for _, s := range skips(string(out)) {
		note(t, s)
	}
	t.Logf("%d tests passed", passed)
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

// skips returns which tests were skipped, each with its reason.
func skips(out string) []string {
	var all []string
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		m := verdict.FindStringSubmatch(line)
		if m == nil || m[1] != "SKIP" {
			continue
		}
		why := "no reason given"
		if i > 0 && strings.Contains(lines[i-1], "_test.go:") { // -v prints the reason first
			_, why, _ = strings.Cut(strings.TrimSpace(lines[i-1]), ": ")
		}
		all = append(all, m[2]+": "+why)
	}
	return all
}
