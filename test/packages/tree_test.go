//go:build linux

package packages

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// suites are the Debians that machines are made of: the one that most users
// have, and those with the oldest and the newest systemd.
var suites = []string{"bookworm", "bullseye", "trixie"}

const (
	// openrc is the name of a tree that boots with what Alpine boots with.
	openrc = "openrc"

	// tooled is that of one with what people install many instances by, and with
	// rpm.
	tooled = "tooled"
)

// recipe returns the suite of a tree, and what it holds besides the essential
// packages.
func recipe(name string) (suite, include string) {
	const systemd = "systemd,systemd-sysv,dbus,procps,ca-certificates"
	switch name {
	case openrc:
		return "bookworm", "openrc,sysvinit-core,ifupdown,logrotate,procps,ca-certificates"
	case tooled:
		return "bookworm", systemd + ",rpm,cloud-init,ansible-core,python3-apt,curl,sudo"
	}
	return name, systemd
}

// dpkgOptions keep a tree small, and its dpkg from waiting for the disk.
var dpkgOptions = []string{
	"path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/doc/*",
	"path-include=/usr/share/doc/osssync/*", "path-include=/usr/share/man/*osssync*",
	"force-unsafe-io",
}

// A tree is a root file system that machines are copies of.
type tree struct {
	once sync.Once
	dir  string
	err  error
}

// errAway means that the mirror does not serve a suite.
var errAway = errors.New("the mirror does not serve it")

// tree returns the tree of a name, and makes it unless that is done.
func (l *lab) tree(name string) (string, error) {
	l.mu.Lock()
	t := l.trees[name]
	if t == nil {
		t = &tree{}
		l.trees[name] = t
	}
	l.mu.Unlock()
	t.once.Do(func() {
		var wg sync.WaitGroup // the caller's thread may be in a network without a mirror
		wg.Go(func() { t.dir, t.err = makeTree(name) })
		wg.Wait()
	})
	return t.dir, t.err
}

func makeTree(name string) (string, error) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return "", errors.New("needs mmdebstrap")
	}
	if os.Geteuid() != 0 {
		return "", errors.New("needs root")
	}
	mirror, err := aptMirror()
	if err != nil {
		return "", err
	}
	suite, include := recipe(name)
	base := os.Getenv("OSSSYNC_TREES")
	if base == "" {
		if base, err = os.UserCacheDir(); err != nil {
			return "", err
		}
		base = filepath.Join(base, "osssync", "trees")
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(base, fmt.Sprintf("%s-%.8x", name, sha256.Sum256([]byte(include+strings.Join(dpkgOptions, ",")))))
	unlock, err := lock(dir + ".lock") // for another run may be making it
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, "etc")); err == nil {
		return dir, nil
	}
	half := dir + ".half"
	if err := errors.Join(os.RemoveAll(half), os.Mkdir(half, 0o755)); err != nil {
		return "", err
	}
	args := []string{"--variant=minbase", "--include=" + include, "--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/*"}
	for _, o := range dpkgOptions {
		args = append(args, "--dpkgopt="+o)
	}
	// In a mount namespace of its own, where what it mounts goes with it: half a
	// tree that was left by a run which was killed can be removed then.
	own := []string{"--mount", "--propagation", "private", "mmdebstrap"}
	cmd := exec.Command("unshare", append(append(own, args...), suite, half, mirror)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		os.RemoveAll(half)
		if strings.Contains(string(out), "Release") && strings.Contains(string(out), "404") {
			return "", errAway
		}
		return "", fmt.Errorf("mmdebstrap %s: %w\n%s", suite, err, tail(string(out), 20))
	}
	return dir, errors.Join(os.Chmod(half, 0o755), os.Rename(half, dir))
}

// lock waits for a file to be this process's alone.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// aptMirror returns the mirror that this machine's apt uses first.
func aptMirror() (string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SITE)", "Identifier: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("needs apt: %w", err)
	}
	site, _, _ := strings.Cut(string(out), "\n")
	if site == "" {
		return "", errors.New("needs a mirror in apt's sources")
	}
	return site, nil
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// copyTree returns a copy of a tree for the test.
func copyTree(t *testing.T, name string) string {
	t.Helper()
	from, err := shared.tree(name)
	if errors.Is(err, errAway) || err != nil && strings.HasPrefix(err.Error(), "needs ") {
		skip(t, "no tree of %s: %v", name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Not below t.TempDir, whose removal does not know of what may be mounted.
	dir, err := os.MkdirTemp(shared.dir, name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root := filepath.Join(dir, "root")
	if err := overlay(t, from, root); err != nil {
		t.Logf("the tree is copied whole: %v", err)
		must(t, "cp", "-a", "--reflink=auto", from, root)
	}
	return root
}

// overlay mounts a tree over which all changes are the test's own.
func overlay(t *testing.T, from, root string) error {
	t.Helper()
	upper, work := root+".upper", root+".work"
	for _, dir := range []string{root, upper, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", root, "overlay", 0, "lowerdir="+from+",upperdir="+upper+",workdir="+work); err != nil {
		return errors.Join(err, os.Remove(root))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", root, err)
		}
	})
	return nil
}
