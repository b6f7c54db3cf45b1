//go:build linux

package windows

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

const (
	services = `HKLM\SYSTEM\CurrentControlSet\Services\osssync`
	products = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall`

	applications = `HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application`
	eventlog     = applications + `\osssync`
	environment  = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`

	program = `C:\Program Files\osssync\osssync.exe`
	within  = time.Minute // for what takes a second on a quiet machine
	grace   = 5 * time.Second
)

// A product is one version, built and packed.
type product struct{ exe, msi string }

// newProduct builds a version as `make packages` does.
func newProduct(t *testing.T, version string) product {
	t.Helper()
	exe := shared.program(t, version)
	return product{exe, pack(t, version, exe, t.TempDir())}
}

// program returns osssync.exe of a version, built once.
func (l *lab) program(t *testing.T, version string) string {
	t.Helper()
	l.building.Lock()
	defer l.building.Unlock()
	exe := l.programs[version]
	if exe != "" {
		return exe
	}
	exe = filepath.Join(l.dir, version, "osssync.exe")
	if err := build(exe, "-ldflags", "-s -w -X main.version="+version, "./cmd/osssync"); err != nil {
		t.Fatal(err)
	}
	stamp := exec.Command("packaging/windows/program.sh", version, exe)
	stamp.Dir = "../../.."
	if out, err := stamp.CombinedOutput(); err != nil {
		t.Fatalf("program.sh: %v\n%s", err, out)
	}
	if l.programs == nil {
		l.programs = make(map[string]string)
	}
	l.programs[version] = exe
	return exe
}

// pack makes the MSI of a program.
func pack(t *testing.T, version, exe, dir string) string {
	t.Helper()
	cmd := exec.Command("packaging/windows/build.sh", version, exe, dir)
	cmd.Dir = "../../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build.sh: %v\n%s%s", err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// TestMSI installs, runs, upgrades and removes osssync, and does the last with
// the service that is installed without an MSI.
func TestMSI(t *testing.T) {
	t.Parallel()
	if why := missing("wixl", "msibuild"); why != "" {
		skip(t, why)
	}
	first, second := newProduct(t, "1.0.0"), newProduct(t, "1.1.0")
	candidate := pack(t, "1.1.0-rc.1", first.exe, t.TempDir())
	w := newWine(t)
	w.traceEvents()
	w.keepAlive()
	b := box.Start(t, box.Options{})
	source := w.file("data")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}

	strangers(t, w, first)
	w.must("msiexec", "/i", first.msi, "/qn")
	w.installed("1.0.0")
	w.stopped("stopped")
	mistaken(t, w)

	conf := configure(t, w, b)
	w.must(program, "config", "check")
	write(t, filepath.Join(source, "a.txt"), "1")
	w.must(program, "service", "start")
	b.WaitForKeys(t, within, "in/a.txt")
	w.running()
	w.must(program, "service", "start") // once more is no error
	held(t, w, b)
	names(t, w, b)
	reload(t, w, b, conf)
	stops(t, w, b)
	cached(t, w, b)
	reboots(t, w, b)

	w.must("msiexec", "/i", candidate, "/qn")
	w.must("msiexec", "/i", second.msi, "/qn")
	w.installed("1.1.0")
	if got, err := os.ReadFile(w.file("ProgramData/osssync/osssync.toml")); err != nil || !strings.Contains(string(got), b.OSSEndpoint) {
		t.Errorf("the configuration after an upgrade: %v\n%s", err, got)
	}
	before := len(putsOf(b))
	write(t, filepath.Join(source, "c.txt"), "3")
	b.WaitForKeys(t, within, "in/c.txt")
	w.running()
	if n := len(putsOf(b)) - before; n != 1 {
		t.Errorf("%d files sent after an upgrade, want the new one", n)
	}
	if _, ok := w.run("msiexec", "/i", first.msi, "/qn"); ok {
		t.Error("an older version was installed over a newer one")
	}
	removed(t, w, second)
	byHand(t, w, b, second.exe)
	logged(t, w)
}

// strangers checks that nothing is installed over a directory that a user made.
func strangers(t *testing.T, w *wine, p product) {
	t.Helper()
	dir := w.file("ProgramData/osssync")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.run("msiexec", "/i", p.msi, "/qn"); ok {
		t.Error("installed though the directory of the configuration is a user's")
	}
	if _, ok := w.run("reg", "query", services); ok {
		t.Error("an installation that failed leaves the service")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// configure replaces the configuration that was installed by one that works
// with the box, and returns it.
func configure(t *testing.T, w *wine, b *box.Box) string {
	t.Helper()
	conf := b.ConfigWith(map[string]map[string]any{"agent": {"state_dir": "", "stop_grace": grace.String()}},
		box.Job{"name": "in", "source": `C:\data`, "prefix": "in/", "settle": "100ms"})
	write(t, w.file("ProgramData/osssync/osssync.toml"), conf)
	return conf
}

// installed checks what an installation leaves.
func (w *wine) installed(version string) {
	w.t.Helper()
	if out := w.must(program, "version"); !strings.Contains(out, version) {
		w.t.Errorf("version %s", out)
	}
	out := w.must("reg", "query", services)
	for _, want := range []string{
		`"` + program + `" service run`, `NT SERVICE\osssync`, "DelayedAutoStart    REG_DWORD    0x1", "PreshutdownTimeout",
	} {
		if !strings.Contains(out, want) {
			w.t.Errorf("the service has no %s", want)
		}
	}
	if out := w.must("reg", "query", environment, "/v", "PATH"); !strings.Contains(out, `Program Files\osssync`) {
		w.t.Error("not on the path")
	}
	if out := w.must("reg", "query", eventlog); !strings.Contains(out, "EventCreate.exe") {
		w.t.Error("no event source")
	}
	if n := w.products(); n != 1 {
		w.t.Errorf("%d products are installed, want the one", n)
	}
}

// products counts the installed versions of osssync.
func (w *wine) products() int {
	w.t.Helper()
	out, _ := w.run("reg", "query", products, "/s")
	n := 0
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "DisplayName" && f[2] == "osssync" {
			n++
		}
	}
	return n
}

// removed uninstalls, and checks what is left.
func removed(t *testing.T, w *wine, p product) {
	t.Helper()
	// Wine removes files while the service that it stopped still ends.
	w.must(program, "service", "stop")
	w.must("msiexec", "/x", p.msi, "/qn")
	for _, key := range []string{services, eventlog} {
		if _, ok := w.run("reg", "query", key); ok {
			t.Errorf("%s is left", key)
		}
	}
	if out, ok := w.run("reg", "query", environment, "/v", "PATH"); ok && strings.Contains(out, "osssync") {
		t.Error("the path is left")
	}
	if n := w.products(); n != 0 {
		t.Errorf("%d products are left", n)
	}
	if left, err := os.ReadDir(w.file("Program Files/osssync")); err == nil {
		t.Errorf("the program's directory is left, with %v", left)
	}
	for _, name := range []string{"osssync.toml", "index.db"} {
		if _, err := os.Stat(w.file("ProgramData/osssync/" + name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// putsOf returns the keys of all files that came in.
func putsOf(b *box.Box) (keys []string) {
	for _, r := range b.OSS.Requests().Select(oss.PutObject) {
		if !box.IsLease(r.Key) && r.Status == 200 {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
