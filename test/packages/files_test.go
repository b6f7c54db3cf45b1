//go:build linux

package packages

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestLint lets Debian's and Red Hat's tools look at the packages. What they
// say all the same is listed, with reasons, in packaging/linux.
func TestLint(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"lintian": {"lintian", "--fail-on", "error,warning", "--tag-display-limit", "0", pkg(t, shared.new, "*_amd64.deb")},
		"rpmlint": {"rpmlint", "-c", "../../packaging/linux/rpm/rpmlint.toml", pkg(t, shared.new, "*.x86_64.rpm")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need(t, name)
			out, err := command(t, args...)
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "W: ") || strings.Contains(line, ": E: ") || strings.Contains(line, ": W: ") {
					t.Error(line)
				}
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestExposure holds the unit to 1.5, the lower the better.
func TestExposure(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze")
	out, err := command(t, "systemd-analyze", "security", "--offline=true", "--threshold=15", "../../packaging/linux/osssync.service")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Log(lastLine(out))
}

// TestARM64 runs the program for arm64.
func TestARM64(t *testing.T) {
	t.Parallel()
	need(t, "tar", "qemu-aarch64-static")
	dir := t.TempDir()
	must(t, "tar", "-xzf", pkg(t, shared.new, "*_linux_arm64.tar.gz"), "-C", dir, "--strip-components=1")
	run := func(args ...string) string {
		return must(t, append([]string{"qemu-aarch64-static", filepath.Join(dir, "osssync")}, args...)...)
	}
	if out := run("version"); !strings.Contains(out, newVersion) || !strings.Contains(out, "linux/arm64") {
		t.Errorf("version: %s", out)
	}
	b := box.Start(t, box.Options{})
	source, config := t.TempDir(), filepath.Join(dir, "osssync.toml")
	for path, text := range map[string]string{filepath.Join(source, "file"): "sent by arm64", config: b.Config(box.Job{"name": "a", "source": source})} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("-c", config, "sync")
	b.WaitForKeys(t, patience, "file")
	before := b.Asked()
	run("-c", config, "sync")
	if n := b.Asked() - before; n != 0 {
		t.Errorf("%d requests for a tree that its index knows", n)
	}
}

// TestARM64Packages looks at the packages for arm64.
func TestARM64Packages(t *testing.T) {
	t.Parallel()
	need(t, "dpkg-deb", "rpm")
	if out := must(t, "dpkg-deb", "-f", pkg(t, shared.new, "*_arm64.deb"), "Architecture"); out != "arm64" {
		t.Errorf("architecture of the deb: %s", out)
	}
	if out := must(t, "rpm", "-qp", "--qf", "%{ARCH}", pkg(t, shared.new, "*.aarch64.rpm")); out != "aarch64" {
		t.Errorf("architecture of the rpm: %s", out)
	}
}

// TestContents compares the SPDX document with the program in the archive.
func TestContents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, "tar", "-xzf", pkg(t, shared.new, "*_linux_amd64.tar.gz"), "-C", dir, "--strip-components=1")
	program, err := os.ReadFile(filepath.Join(dir, "osssync"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(pkg(t, shared.new, "*_linux_amd64.spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Packages []struct {
			Name, VersionInfo string
			Checksums         []struct{ ChecksumValue string }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if got, want := doc.Packages[0].Checksums[0].ChecksumValue, fmt.Sprintf("%x", sha256.Sum256(program)); got != want {
		t.Errorf("the document is of %s, the program is %s", got, want)
	}
	if linked := must(t, filepath.Join(dir, "osssync"), "version"); !strings.Contains(linked, newVersion) || !strings.Contains(linked, "Z) go") {
		t.Errorf("version, commit and date: %s", linked)
	}
	for line := range strings.Lines(must(t, "go", "version", "-m", filepath.Join(dir, "osssync"))) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "dep" {
			continue
		}
		found := false
		for _, p := range doc.Packages {
			found = found || p.Name == f[1] && p.VersionInfo == f[2]
		}
		if !found {
			t.Errorf("the document lacks %s %s", f[1], f[2])
		}
	}
	if out := must(t, "readelf", "-d", filepath.Join(dir, "osssync")); !strings.Contains(out, "no dynamic section") {
		t.Errorf("the program is not static: %s", out)
	}
}
