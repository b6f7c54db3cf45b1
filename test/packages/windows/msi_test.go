//go:build linux

package windows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

const (
	program = `C:\Program Files\osssync\osssync.exe`
	within  = time.Minute // for what takes a second on a quiet machine
)

// A product is one version, built and packed.
type product struct{ exe, msi string }

// newProduct builds a version as `make packages` does.
func newProduct(t *testing.T, version string, env ...string) product {
	t.Helper()
	dir := t.TempDir()
	exe := filepath.Join(dir, "osssync.exe")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", exe, "./cmd/osssync")
	build.Dir, build.Env = "../../..", append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return product{exe, pack(t, version, exe, dir, env...)}
}

func pack(t *testing.T, version, exe, dir string, env ...string) string {
	t.Helper()
	cmd := exec.Command("packaging/windows/build.sh", version, exe, dir)
	cmd.Dir, cmd.Env = "../../..", append(append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000"), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build.sh: %v\n%s%s", err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// TestMSI installs, runs, upgrades and removes osssync.
func TestMSI(t *testing.T) {
	t.Parallel()
	if why := missing("wixl", "msibuild"); why != "" {
		skip(t, why)
	}
	first, second, hold := newProduct(t, "1.0.0"), newProduct(t, "1.1.0"), buildHold(t)
	w := newWine(t)
	w.keepAlive(hold)
	b := box.Start(t, box.Options{})
	source := w.file("data")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}

	w.must("msiexec", "/i", first.msi, "/qn")
	w.installed("1.0.0")
	if out, _ := w.run(program, "service", "status"); !strings.HasPrefix(out, "stopped") {
		t.Errorf("a first installation without a job: %s, want it stopped", out)
	}

	conf := configure(t, w, b)
	w.must(program, "config", "check")
	write(t, filepath.Join(source, "a.txt"), "1")
	w.must(program, "service", "start")
	b.WaitForKeys(t, within, "in/a.txt")
	w.running()
	held(t, w, b, hold)
	reload(t, w, b, conf)
	cached(t, w, b)

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
}

// keepAlive runs a program that waits until the test ends. When its last
// program ends, Wine stops all services, as a Windows that is shut down.
func (w *wine) keepAlive(hold string) {
	w.t.Helper()
	cmd := w.command(hold)
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
	if _, err := io.ReadFull(out, make([]byte, len("waiting"))); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			w.t.Error(err)
		}
	})
}

// buildHold builds the program that keeps a file open.
func buildHold(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "hold.exe")
	build := exec.Command("go", "build", "-o", exe, "./hold")
	build.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

// configure replaces the configuration that was installed by one that works
// with the box, and returns it.
func configure(t *testing.T, w *wine, b *box.Box) string {
	t.Helper()
	conf := b.ConfigWith(map[string]map[string]any{"agent": {"state_dir": "", "stop_grace": "5s"}},
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
	out := w.must("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\osssync`)
	for _, want := range []string{
		`"` + program + `" service run`, `NT SERVICE\osssync`, "DelayedAutoStart    REG_DWORD    0x1", "PreshutdownTimeout",
	} {
		if !strings.Contains(out, want) {
			w.t.Errorf("the service has no %s", want)
		}
	}
	if out := w.must("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, "/v", "PATH"); !strings.Contains(out, `Program Files\osssync`) {
		w.t.Error("not on the path")
	}
	if out := w.must("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\osssync`); !strings.Contains(out, "EventCreate.exe") {
		w.t.Error("no event source")
	}
}

// running checks the service, by the manager and by its own pipe.
func (w *wine) running() {
	w.t.Helper()
	if out := w.must(program, "service", "status"); !strings.HasPrefix(out, "running, pid ") {
		w.t.Errorf("service status: %s", out)
	}
	var st struct {
		Jobs []struct{ State string }
	}
	if err := json.Unmarshal([]byte(w.must(program, "status", "--json")), &st); err != nil || len(st.Jobs) == 0 {
		w.t.Errorf("status: %+v, %v", st, err)
	}
}

// held checks that a file which its writer shares with nobody is sent when the
// writer lets go.
func held(t *testing.T, w *wine, b *box.Box, hold string) {
	t.Helper()
	cmd := w.command(hold, `C:\data\held.txt`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("holding"))); err != nil {
		t.Fatal(err)
	}
	// One that comes after it has been sent, so it was looked at, and waits.
	write(t, w.file("data/after.txt"), "2")
	objects := b.WaitForKeys(t, within, "in/after.txt")
	if o, there := objects["in/held.txt"]; there {
		t.Errorf("a file that is locked was sent: %+v", o)
	}
	if _, ok := w.run(program, "wait", "--timeout", "1s"); ok {
		t.Error("wait says that all is sent while a file is locked")
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if o := b.WaitForKeys(t, within, "in/held.txt")["in/held.txt"]; o.Size != 4 {
		t.Errorf("held.txt in the bucket: %+v", o)
	}
}

// reload checks that a job added to the configuration begins at a reload.
func reload(t *testing.T, w *wine, b *box.Box, conf string) {
	t.Helper()
	if err := os.Mkdir(w.file("more"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, w.file("more/m.txt"), "m")
	write(t, w.file("ProgramData/osssync/osssync.toml"),
		conf+"\n[[job]]\nname = \"more\"\nsource = 'C:\\more'\nprefix = \"more/\"\n")
	w.must(program, "reload")
	b.WaitForKeys(t, within, "more/m.txt")
}

// cached checks that the service stops within its grace, and that the one
// started next takes the token from the sealed cache and sends nothing again.
func cached(t *testing.T, w *wine, b *box.Box) {
	t.Helper()
	before, tokens := len(putsOf(b)), b.ECS.Requests().Count(ecs.OpCredentials)
	begun := time.Now()
	w.must(program, "service", "stop")
	if took := time.Since(begun); took > within/2 {
		t.Errorf("stopped after %v", took)
	}
	if out, ok := w.run(program, "service", "status"); ok || !strings.HasPrefix(out, "stopped") {
		t.Errorf("status of a stopped service: %s", out)
	}
	sealed, err := filepath.Glob(w.file("ProgramData/osssync/credentials/*.json"))
	if err != nil || len(sealed) != 1 {
		t.Fatalf("cache of the token: %v, %v", sealed, err)
	}
	data, err := os.ReadFile(sealed[0])
	if err != nil || len(data) == 0 {
		t.Fatal(err)
	}
	grant, _ := b.ECS.Current()
	for _, open := range []string{grant.AccessKeyID, grant.AccessKeySecret, grant.SecurityToken} {
		if open == "" || bytes.Contains(data, []byte(open)) {
			t.Error("the token can be read in its cache")
		}
	}
	write(t, w.file("data/b.txt"), "b")
	w.must(program, "service", "start")
	b.WaitForKeys(t, within, "in/b.txt")
	if n := len(putsOf(b)) - before; n != 1 {
		t.Errorf("%d files sent after a restart, want the new one", n)
	}
	if n := b.ECS.Requests().Count(ecs.OpCredentials) - tokens; n != 0 {
		t.Errorf("%d tokens asked for after a restart, want the one of the cache", n)
	}
}

// removed uninstalls, and checks what is left.
func removed(t *testing.T, w *wine, p product) {
	t.Helper()
	// Wine removes files while the service that it stopped still ends.
	w.must(program, "service", "stop")
	w.must("msiexec", "/x", p.msi, "/qn")
	if _, ok := w.run("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\osssync`); ok {
		t.Error("the service is left")
	}
	if out, ok := w.run("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, "/v", "PATH"); ok && strings.Contains(out, "osssync") {
		t.Error("the path is left")
	}
	if _, err := os.Stat(w.file("Program Files/osssync/osssync.exe")); err == nil {
		t.Error("the program is left")
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
		if !box.IsLease(r.Key) {
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

// TestReproducible packs the same program twice, and signs it.
func TestReproducible(t *testing.T) {
	t.Parallel()
	if why := missing("wixl", "msibuild", "msiextract", "osslsigncode", "openssl"); why != "" {
		skip(t, why)
	}
	exe := newProduct(t, "1.0.0").exe
	one, two := pack(t, "1.0.0", exe, t.TempDir()), pack(t, "1.0.0", exe, t.TempDir())
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(two); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the same program was packed into other bytes (%v)", err)
	}
	ca := certificates(t)
	signed := pack(t, "1.0.0", exe, t.TempDir(), "OSSSYNC_SIGN_CERT="+ca+"/chain.pem", "OSSSYNC_SIGN_KEY="+ca+"/key.pem")
	out := t.TempDir()
	sh(t, "msiextract", "-C", out, signed)
	inner := filepath.Join(out, "osssync", "osssync.exe")
	for _, name := range []string{signed, inner} {
		sh(t, "osslsigncode", "verify", "-CAfile", ca+"/ca.pem", "-in", name)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		bad := filepath.Join(t.TempDir(), filepath.Base(name))
		write(t, bad, string(data))
		if out, err := exec.Command("osslsigncode", "verify", "-CAfile", ca+"/ca.pem", "-in", bad).CombinedOutput(); err == nil {
			t.Errorf("%s with another byte verifies:\n%s", name, out)
		}
	}
}

// certificates makes a certificate for signing programs, and its authority.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ext"), "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=codeSigning\n")
	ca, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	sh(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test authority", "-keyout", filepath.Join(dir, "ca.key"), "-out", ca)
	sh(t, "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test signer", "-keyout", key, "-out", filepath.Join(dir, "csr"))
	sh(t, "openssl", "x509", "-req", "-days", "30", "-in", filepath.Join(dir, "csr"), "-CA", ca, "-CAkey", filepath.Join(dir, "ca.key"),
		"-CAcreateserial", "-extfile", filepath.Join(dir, "ext"), "-out", filepath.Join(dir, "chain.pem"))
	return dir
}

func sh(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%v: %w\n%s", args, err, out))
	}
}
