//go:build linux

package packages

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// plant makes a repository whose last commit is what a working tree holds now,
// and tags that with the new version.
func plant(root, seed string) error {
	if _, err := git("clone", "-q", "--no-hardlinks", root, seed); err != nil {
		return err
	}
	changed, err := git("-C", root, "ls-files", "-z", "--modified", "--others", "--exclude-standard", "--deduplicate")
	if err != nil {
		return err
	}
	for path := range strings.SplitSeq(strings.Trim(changed, "\x00"), "\x00") {
		if path == "" {
			continue
		}
		if err := replant(filepath.Join(root, path), filepath.Join(seed, path)); err != nil {
			return err
		}
	}
	_, err = git("-C", seed, "add", "-A")
	if err == nil {
		_, err = git("-C", seed, "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "the working tree")
	}
	if err == nil {
		_, err = git("-C", seed, "tag", "--force", "v"+newVersion)
	}
	return err
}

// replant copies a file, or removes it where it is not there any more.
func replant(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	info, err := os.Lstat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, e.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// release makes a release in a fresh clone.
func release(seed, clone, umask string, env ...string) error {
	if _, err := git("clone", "-q", seed, clone); err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", "umask "+umask+" && make release")
	cmd.Dir = clone
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make release: %w\n%s", err, tail(string(out), 30))
	}
	return nil
}

// TestRelease makes the release once more, from a fresh clone in another
// directory and with another umask, time zone and language, and wants the same
// bytes.
func TestRelease(t *testing.T) {
	t.Parallel()
	if shared.seed == "" {
		skip(t, "needs packages that were built here")
	}
	clone := filepath.Join(t.TempDir(), "much", "deeper", "clone")
	if err := release(shared.seed, clone, "077", "LANG=zh_CN.UTF-8", "TZ=Asia/Shanghai", "GOFLAGS=-buildvcs=true"); err != nil {
		t.Fatal(err)
	}
	var sums [2]string
	for i, dist := range []string{shared.new, filepath.Join(clone, "dist")} {
		text, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
		check := exec.Command("sha256sum", "--check", "--quiet", "SHA256SUMS")
		check.Dir = dist
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %s", out)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("the bytes differ:\n%s\n%s", sums[0], sums[1])
	}
	want := []string{"_amd64.deb", "_arm64.deb", ".x86_64.rpm", ".aarch64.rpm", "_x86_64.apk", "_aarch64.apk",
		"_linux_amd64.tar.gz", "_linux_arm64.tar.gz", "_windows_amd64.zip", ".spdx.json"}
	if _, err := exec.LookPath("wixl"); err == nil {
		want = append(want, ".msi")
	} else {
		skipPart(t, "no MSI in the release: needs wixl")
	}
	for _, w := range want {
		if !strings.Contains(sums[0], w) {
			t.Errorf("the release lacks %s", w)
		}
	}
}
