//go:build linux

// Package packages installs what `make packages` makes on machines of their
// own, which boot a real systemd, and runs it there against the sandbox. It is
// what `make test-packages` runs; without its flag it tests nothing.
//
// A machine is a Debian tree in a container of systemd-nspawn, in a network
// namespace that holds nothing but loopback and the address of the metadata
// service. Trees are made once, from the mirror that this machine's own apt
// uses, and kept in $OSSSYNC_TREES, by default below the user's cache directory.
package packages

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	machines = flag.Bool("machines", false, "boot machines and install packages on them")
	built    = flag.String("built", "", "test the packages in `DIR`/old and DIR/new, and build none")
)

// A lab is what the tests share.
type lab struct {
	dir      string // goes at the end
	seed     string // repository of the working tree as a commit; "" for none
	old, new string // directories of packages of two versions

	// turn is held while a machine runs that can have no cgroups of its own: two
	// would have the same one for a service.
	turn sync.Mutex

	mu      sync.Mutex
	skipped []string
	trees   map[string]*tree
}

// oldVersion and newVersion are what the packages under test are called.
const (
	oldVersion = "1.0.0"
	newVersion = "1.1.0"
)

// shared is the lab, made by TestMain.
var shared = &lab{trees: map[string]*tree{}}

func TestMain(m *testing.M) {
	flag.Parse()
	if !*machines {
		fmt.Println("packages: SKIPPED: needs -machines, as in `make test-packages`")
		os.Exit(0)
	}
	code, err := shared.run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		code = 1
	}
	os.Exit(code)
}

// run builds the packages and runs the tests.
func (l *lab) run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "osssync-packages-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	l.dir = dir
	var wg sync.WaitGroup
	defer wg.Wait()
	if flag.Lookup("test.run").Value.String() == "" { // else those that are needed
		// Trees are downloaded while the compiler has the processors.
		for _, name := range append(suites[:len(suites):len(suites)], openrc, tooled) {
			wg.Go(func() { l.tree(name) })
		}
	}
	if err := l.build(); err != nil {
		return 1, err
	}
	code := m.Run()
	for _, s := range l.skipped {
		fmt.Println("packages: SKIPPED:", s)
	}
	fmt.Printf("packages: %d skipped\n", len(l.skipped))
	return code, nil
}

// build builds the packages: the new ones by `make release` of the working
// tree, and old ones for the system that they are installed on.
func (l *lab) build() error {
	if *built != "" {
		l.old, l.new = filepath.Join(*built, "old"), filepath.Join(*built, "new")
		return nil
	}
	begun := time.Now()
	l.seed = filepath.Join(l.dir, "seed")
	if err := plant(filepath.Join("..", ".."), l.seed); err != nil {
		return err
	}
	clone := filepath.Join(l.dir, "clone")
	l.old, l.new = filepath.Join(l.dir, "old"), filepath.Join(clone, "dist")
	if err := release(l.seed, clone, "022"); err != nil {
		return err
	}
	cmd := exec.Command("go", "run", "./packaging/build", "-version", oldVersion, "-out", l.old, "-only", "linux_amd64")
	cmd.Dir = clone
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	fmt.Printf("packages: two versions built in %v\n", time.Since(begun).Round(time.Second))
	return nil
}

// skip skips a test, which the end of the run tells of once more.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	skipPart(t, format, args...)
	t.SkipNow()
}

// skipPart is skip for a part of a test, which goes on.
func skipPart(t *testing.T, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	shared.mu.Lock()
	shared.skipped = append(shared.skipped, t.Name()+": "+why)
	shared.mu.Unlock()
	t.Log("SKIPPED: " + why)
}

// need skips the test where a program is missing or we are not root.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, "needs %s", p)
		}
	}
}

// pkg returns the one package of a directory that matches a pattern.
func pkg(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %v, %v", pattern, dir, found, err)
	}
	return found[0]
}

// command runs a command of this machine and returns what it wrote.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is command for what may not fail.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// patience is how long what must happen is waited for; on a quiet machine it
// takes seconds.
const patience = 3 * time.Minute

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
