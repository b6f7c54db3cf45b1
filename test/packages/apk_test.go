//go:build linux

package packages

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An apk is what a package for Alpine consists of.
type apk struct {
	scripts map[string]string // by name, such as ".pre-install"
	info    string            // .PKGINFO
	entries []string          // names of what it installs
}

// readAPK takes a package apart as apk does, and holds it to the sums in it: two
// archives one after the other, the first with the sum of the second, in which
// each file has its own.
func readAPK(t *testing.T, path string) apk {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := apk{scripts: map[string]string{}}
	src := bytes.NewReader(data)
	unpack := func(entry func(h *tar.Header, text []byte)) {
		in := bufio.NewReader(src)
		z, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		r := tar.NewReader(z)
		for {
			h, err := r.Next()
			// The first archive has no end of its own, so that both are one.
			if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			entry(h, text)
		}
		if _, err := io.Copy(io.Discard, z); err != nil {
			t.Fatal(err)
		}
		if _, err := src.Seek(-int64(in.Buffered()), io.SeekCurrent); err != nil {
			t.Fatal(err)
		}
	}
	unpack(func(h *tar.Header, text []byte) {
		if h.Name == ".PKGINFO" {
			a.info = string(text)
			return
		}
		a.scripts[h.Name] = string(text)
	})
	if sum := fmt.Sprintf("datahash = %x\n", sha256.Sum256(data[len(data)-src.Len():])); !strings.Contains(a.info, sum) {
		t.Errorf("%s: its data is not what it says: %s", filepath.Base(path), a.info)
	}
	unpack(func(h *tar.Header, text []byte) {
		a.entries = append(a.entries, h.Name)
		sum := sha1.Sum(text)
		if h.Typeflag == tar.TypeReg && h.PAXRecords["APK-TOOLS.checksum.SHA1"] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %s is not what it says", filepath.Base(path), h.Name)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s: %s belongs to %d:%d", filepath.Base(path), h.Name, h.Uid, h.Gid)
		}
	})
	return a
}

// TestAPKFiles looks at the packages for Alpine.
func TestAPKFiles(t *testing.T) {
	t.Parallel()
	for arch, path := range map[string]string{"x86_64": pkg(t, shared.new, "*_x86_64.apk"), "aarch64": pkg(t, shared.new, "*_aarch64.apk")} {
		a := readAPK(t, path)
		for _, want := range []string{"pkgname = osssync\n", "pkgver = " + newVersion + "\n", "arch = " + arch + "\n", "depend = ca-certificates\n"} {
			if !strings.Contains(a.info, want) {
				t.Errorf("%s lacks %q: %s", arch, want, a.info)
			}
		}
		for _, name := range []string{".pre-install", ".post-install", ".post-upgrade", ".pre-deinstall"} {
			if !strings.HasPrefix(a.scripts[name], "#!/bin/sh\n") {
				t.Errorf("%s: script %s: %q", arch, name, a.scripts[name])
			}
		}
		if len(a.scripts) != 4 {
			t.Errorf("%s has %d scripts", arch, len(a.scripts))
		}
		for _, want := range []string{"usr/bin/osssync", "etc/init.d/osssync", "etc/osssync/conf.d/", "usr/share/man/man1/osssync.1.gz",
			"usr/share/man/man5/osssync.toml.5.gz", "usr/share/bash-completion/completions/osssync", "usr/share/zsh/site-functions/_osssync"} {
			if !slices.Contains(a.entries, want) {
				t.Errorf("%s lacks %s", arch, want)
			}
		}
		for _, name := range a.entries {
			if strings.HasSuffix(name, ".toml") && strings.HasPrefix(name, "etc/") {
				t.Errorf("%s brings a configuration, %s", arch, name)
			}
		}
	}
}

// TestAPKTools has Alpine's own program install, upgrade and remove the package,
// where it is.
func TestAPKTools(t *testing.T) {
	t.Parallel()
	need(t, "apk", "nfpm")
	dir := t.TempDir()
	other := filepath.Join(dir, "other.yaml")
	if err := os.WriteFile(other, []byte("name: ca-certificates\narch: amd64\nversion: 1.0.0\nmaintainer: none\ndescription: stands in\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "nfpm", "package", "--config", other, "--packager", "apk", "--target", filepath.Join(dir, "ca.apk"))
	root := filepath.Join(dir, "root")
	run := func(args ...string) string {
		return must(t, append([]string{"apk", args[0], "--root", root, "--arch", "x86_64", "--allow-untrusted", "--no-network"}, args[1:]...)...)
	}
	must(t, "apk", "verify", "--allow-untrusted", pkg(t, shared.new, "*_x86_64.apk"))
	run("add", "--no-scripts", "--initdb", filepath.Join(dir, "ca.apk"), pkg(t, shared.old, "*_x86_64.apk"))
	config := filepath.Join(root, "etc/osssync/osssync.toml")
	if err := os.WriteFile(config, []byte("# ours"), 0o644); err != nil {
		t.Fatal(err)
	}
	run("add", "--no-scripts", pkg(t, shared.new, "*_x86_64.apk"))
	if out := run("info", "--verbose"); !strings.Contains(out, "osssync-"+newVersion) {
		t.Errorf("after the upgrade: %s", out)
	}
	run("del", "--no-scripts", "osssync")
	if _, err := os.Stat(filepath.Join(root, "usr/bin/osssync")); err == nil {
		t.Error("the removal left the program")
	}
	if text, _ := os.ReadFile(config); string(text) != "# ours" {
		t.Errorf("the configuration is %q after upgrade and removal", text)
	}
}
