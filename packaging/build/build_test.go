package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersionOf(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct{ tag, exact, want string }{
		{"", "", "0.0.0+git20260102030405"},
		{"v1.2.3", "", "1.2.3+git20260102030405"},
		{"v1.2.3", "v1.2.3", "1.2.3"},
		{"v1.3.0-rc.1", "v1.3.0-rc.1", "1.3.0-rc.1"},
	} {
		if got := versionOf(tt.tag, tt.exact, at); got != tt.want {
			t.Errorf("versionOf(%q, %q) = %s, want %s", tt.tag, tt.exact, got, tt.want)
		}
	}
}

func TestDebianChangelog(t *testing.T) {
	t.Parallel()
	text := "# Changelog\n\n## 1.2.0\n\nA paragraph of\ntwo lines.\n\n- One.\n- Two, which is " + strings.Repeat("long ", 20) +
		"\n  and goes on.\n\n## 1.1.0\n\n- Old.\n"
	got := string(debianChangelog(text, "1.2.0", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
	want := "osssync (1.2.0) unstable; urgency=medium\n\n" +
		"  * A paragraph of two lines.\n" +
		"  * One.\n" +
		"  * Two, which is long long long long long long long long long long long long\n" +
		"    long long long long long long long long and goes on.\n" +
		"\n -- " + maintainer + "  Fri, 02 Jan 2026 03:04:05 +0000\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestTar wants the same bytes whatever the files' own modes and times are.
func TestTar(t *testing.T) {
	t.Parallel()
	var archives [2]bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range archives {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("content"), 0o600+os.FileMode(i)*0o044); err != nil {
			t.Fatal(err)
		}
		if err := writeTar(&archives[i], []file{{"a/program", path, 0o755}}, at); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
		t.Error("the bytes differ")
	}
	z, err := gzip.NewReader(&archives[0])
	if err != nil {
		t.Fatal(err)
	}
	h, err := tar.NewReader(z).Next()
	if err != nil || h.Name != "a/program" || h.Mode != 0o755 || h.Uid != 0 || !h.ModTime.Equal(at) {
		t.Errorf("header %+v, %v", h, err)
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"b": "", "a": "abc", sumsName: "old"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := sum(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		t.Fatal(err)
	}
	want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestExpand holds nfpm.yaml to the names that are filled in.
func TestExpand(t *testing.T) {
	t.Parallel()
	b := &builder{src: source{version: "1.2.3"}, stage: "/stage"}
	text, err := os.ReadFile("../linux/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"deb", "rpm", "apk"} {
		out, err := b.expand(text, target{"linux", "amd64"}, format)
		if err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(out), "\nversion: 1.2.3\n") || strings.Contains(string(out), "${") {
			t.Errorf("for %s:\n%s", format, out)
		}
	}
	if _, err := b.expand([]byte("\nname: ${NOTHING}"), target{}, "deb"); err == nil {
		t.Error("an unknown name was taken")
	}
}

// TestInstanceUnit holds osssync@.service to osssync.service: what differs is
// which configuration and which directories.
func TestInstanceUnit(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile("../linux/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := strings.NewReplacer(
		"Description=osssync,", "Description=osssync for %i,",
		"/usr/bin/osssync ", "/usr/bin/osssync -c /etc/osssync/%i.toml ",
		"Directory=osssync\n", "Directory=osssync-%i\n",
		"XDG_CACHE_HOME=/var/cache\n", "XDG_CACHE_HOME=/var/cache/osssync-%i\n",
	).Replace(read("osssync.service"))
	got := read("osssync@.service")
	if _, after, _ := strings.Cut(got, "[Unit]"); "[Unit]"+after != want {
		t.Errorf("osssync@.service is\n%s\nwant\n%s", got, want)
	}
}

// TestAPKVersion holds versions to those that `apk version --check` takes.
func TestAPKVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.2.3":                    "1.2.3",
		"1.2.3+git20260102030405":  "1.2.3_git20260102030405",
		"1.3.0-rc.1":               "1.3.0_rc1",
		"1.3.0-beta2":              "1.3.0_beta2",
		"1.3.0-rc.1+git2026010203": "1.3.0_rc1_git2026010203",
		"1.3.0-nightly":            "",
		"1.3.0+build.7":            "",
	} {
		got, err := apkVersion(version)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("apkVersion(%s) = %q, %v, want %q", version, got, err, want)
		}
	}
}
