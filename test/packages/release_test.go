//go:build linux

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease makes a release of the working tree twice, from fresh clones in
// different directories and with different umasks, times and languages, and
// wants the same bytes.
func TestRelease(t *testing.T) {
	t.Parallel()
	need(t, "git", "make")
	dir := t.TempDir()
	seed := filepath.Join(dir, "seed")
	root := filepath.Join("..", "..")
	must(t, "git", "clone", "-q", "--no-hardlinks", root, seed)
	commitTree(t, root, seed)
	sums := make([]string, 2)
	for i, env := range [][]string{
		{"LANG=C.UTF-8", "TZ=UTC"},
		{"LANG=zh_CN.UTF-8", "TZ=Asia/Shanghai", "GOFLAGS=-buildvcs=true"},
	} {
		clone := filepath.Join(dir, strings.Repeat("deep/", i*3), "clone")
		must(t, "git", "clone", "-q", seed, clone)
		umask := []string{"022", "077"}[i]
		cmd := exec.Command("sh", "-c", "umask "+umask+" && make release")
		cmd.Dir = clone
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make release: %v\n%s", err, tail(string(out), 30))
		}
		text, err := os.ReadFile(filepath.Join(clone, "dist", "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
		check := exec.Command("sha256sum", "--check", "--quiet", "SHA256SUMS")
		check.Dir = filepath.Join(clone, "dist")
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %s", out)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("the bytes differ:\n%s\n%s", sums[0], sums[1])
	}
	for _, want := range []string{"_amd64.deb", "_arm64.deb", ".x86_64.rpm", ".aarch64.rpm", "_x86_64.apk", "_aarch64.apk", "_linux_amd64.tar.gz", "_windows_amd64.zip", ".spdx.json"} {
		if !strings.Contains(sums[0], want) {
			t.Errorf("the release lacks %s", want)
		}
	}
}

// commitTree makes a commit, in the clone, of what the working tree holds
// besides its last one.
func commitTree(t *testing.T, root, clone string) {
	t.Helper()
	changed := must(t, "git", "-C", root, "ls-files", "-z", "--modified", "--others", "--exclude-standard", "--deduplicate")
	for path := range strings.SplitSeq(strings.Trim(changed, "\x00"), "\x00") {
		if path == "" {
			continue
		}
		to := filepath.Join(clone, path)
		info, err := os.Lstat(filepath.Join(root, path))
		if err != nil {
			os.Remove(to) // it was deleted
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(to)
		if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "git", "-C", clone, "add", "-A")
	must(t, "git", "-C", clone, "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "the working tree")
}
