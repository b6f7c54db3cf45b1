package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A lostSource is a source with three files, mirrored, that is about to be lost.
type lostSource struct {
	t      *testing.T
	b      *box.Box
	d      *daemon
	c      *agent.Client
	source string
}

// deleted fails the test if anything was deleted or forgotten.
func (l *lostSource) deleted() {
	l.t.Helper()
	have, err := l.b.Objects()
	if err != nil {
		l.t.Fatal(err)
	}
	if n := l.b.OSS.Requests().Count(oss.DeleteObject) + l.b.OSS.Requests().Count(oss.DeleteMultipleObjects); n != 0 || len(have) != 3 {
		l.t.Errorf("%d deletions, %d of 3 objects are left", n, len(have))
	}
	if st := statusOf(l.t, l.c, "docs"); st.Indexed != 3 {
		l.t.Errorf("the index holds %d files, want 3: %+v", st.Indexed, st)
	}
}

// says waits until the status of the job has a reason with this in it.
func (l *lostSource) says(what string) {
	l.t.Helper()
	waitFor(l.t, "the reason "+what, func() bool {
		return strings.Contains(statusOf(l.t, l.c, "docs").Reason, what)
	})
}

// rescan asks for so many scans, one after the other.
func (l *lostSource) rescan(times int) {
	l.t.Helper()
	for range times {
		scans := strings.Count(l.d.log.String(), `"msg":"scanned"`)
		if _, err := l.c.Rescan(within(l.t), nil); err != nil {
			l.t.Fatal(err)
		}
		waitFor(l.t, "a scan", func() bool { return strings.Count(l.d.log.String(), `"msg":"scanned"`) > scans })
	}
}

func (l *lostSource) fill(dir string) {
	l.t.Helper()
	for _, name := range []string{"a", "sub/b", "sub/deep/c"} {
		write(l.t, filepath.Join(dir, name), name)
	}
}

// TestRootDeleted removes the source with all that is in it, while the job
// mirrors: that is a loss of the source, not the deletion of its files.
func TestRootDeleted(t *testing.T) {
	t.Parallel()
	l := &lostSource{t: t, b: box.Start(t, box.Options{})}
	config, source := configure(t, l.b, box.Job{"deletes": "mirror"}, nil)
	l.source = source
	l.fill(source)
	l.d = start(t, config)
	l.c = l.d.control(l.b)
	settle(t, l.c)
	if err := os.RemoveAll(source); err != nil {
		t.Fatal(err)
	}
	l.says("source")
	l.deleted()
	// An empty directory in its place is not believed either.
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	l.d.waitLog("source is another directory now")
	l.says("source")
	l.deleted()
	// With the same files in it nothing is lost; what is compared is their content.
	l.fill(source)
	waitMirror(t, l.b, source)
	l.deleted()
}

// TestRootUnmounted takes away the file system that the source is, as a disk
// that fails to mount does. What is below it is an empty directory.
func TestRootUnmounted(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to mount")
	}
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		t.Skipf("SKIPPED: no mount namespace can be made here: %v", err)
	}
	l := &lostSource{t: t, b: box.Start(t, box.Options{})}
	config, source := configure(t, l.b, box.Job{"deletes": "mirror"}, nil)
	disk := t.TempDir()
	l.fill(disk)
	l.d = start(t, config, "unshare", "-m", "sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", disk, source)
	l.c = l.d.control(l.b)
	settle(t, l.c)
	l.deleted()
	inside := func(args ...string) {
		t.Helper()
		args = append([]string{"-t", strconv.Itoa(l.d.cmd.Process.Pid), "-m"}, args...)
		if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
			t.Fatalf("nsenter %v: %v: %s", args, err, out)
		}
	}
	inside("umount", "--lazy", source)
	l.d.waitLog("source is another directory now")
	l.says("source")
	l.rescan(3)
	l.deleted()
	puts := l.b.OSS.Requests().Count(oss.PutObject)
	inside("mount", "--bind", disk, source)
	write(t, filepath.Join(disk, "a"), "changed meanwhile")
	waitFor(t, "the change", func() bool { return differs(t, l.b, disk) == "" })
	if n := l.b.OSS.Requests().Count(oss.PutObject) - puts; n != 1 {
		t.Errorf("%d puts after the disk was back, want 1", n)
	}
	l.deleted()
}

// TestOtherDisk has another file system in the place of the source, of which the
// root has the same number on a device of the same number: nothing is deleted.
func TestOtherDisk(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror"}, nil)
	mount := func(names ...string) (id unix.Stat_t) {
		t.Helper()
		if err := unix.Mount("tmpfs", source, "tmpfs", 0, "size=1m"); err != nil {
			t.Skipf("SKIPPED: needs the right to mount: %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(source, 0) }) // unless it is done already
		for _, name := range names {
			write(t, filepath.Join(source, name), name)
		}
		if err := unix.Stat(source, &id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := mount("a", "b", "c")
	sync1(t, config)
	if err := unix.Unmount(source, 0); err != nil {
		t.Fatal(err)
	}
	second := mount("new")
	if first.Dev != second.Dev || first.Ino != second.Ino {
		t.Logf("device %d and root %d, then %d and %d: easy to tell apart", first.Dev, first.Ino, second.Dev, second.Ino)
	}
	out, err := exec.Command(bin, "-c", config, "sync").CombinedOutput()
	if exitCode(err) != 6 || !strings.Contains(string(out), "another directory") {
		t.Errorf("sync: %v\n%s", err, out)
	}
	have, err := b.Objects()
	if err != nil || len(have) != 4 {
		t.Errorf("%d objects, want 4: %v", len(have), err)
	}
}

// TestSubtreeUnreadable takes the agent's permission to read a directory away.
// Nothing of it is deleted, nor anything else while that is so, and the job
// says why; when it can be read again, what was deleted meanwhile is.
func TestSubtreeUnreadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to become another user")
	}
	l := &lostSource{t: t, b: box.Start(t, box.Options{})}
	l.d, l.c, l.source = startAsNobody(t, l.b, box.Job{"deletes": "mirror", "max_deletes": "100%"}, l.fill)
	source := l.source
	settle(t, l.c)
	sub := filepath.Join(source, "sub")
	if err := os.Chmod(sub, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(sub, 0o755) })
	l.rescan(1)
	l.deleted()
	log := l.d.log.String()
	if !strings.Contains(log, `"msg":"directories not read"`) || !strings.Contains(log, "sub: permission denied") {
		t.Error("the log does not say what cannot be read, and why")
	}
	if err := os.Remove(filepath.Join(source, "a")); err != nil {
		t.Fatal(err)
	}
	l.says("sub")
	l.rescan(1)
	l.deleted()
	if err := errors.Join(unix.Unlink(filepath.Join(sub, "b")), os.Chmod(sub, 0o755)); err != nil {
		t.Fatal(err)
	}
	l.rescan(1)
	waitMirror(t, l.b, source)
	waitFor(t, "one file in the index, and no reason", func() bool {
		st := statusOf(t, l.c, "docs")
		return st.Reason == "" && st.Indexed == 1
	})
}

// startAsNobody starts an agent of a user who owns neither the files nor has the
// right to ask whether they are open.
func startAsNobody(t *testing.T, b *box.Box, job box.Job, fill func(source string)) (*daemon, *agent.Client, string) {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	config, source := configure(t, b, job, map[string]map[string]any{"agent": {"state_dir": state}})
	fill(source)
	openUp(t, config, source, state)
	if err := errors.Join(os.Mkdir(state, 0o700), os.Chown(state, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	d := start(t, config, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	d.waitLog("control socket is open")
	return d, agent.NewClient([]string{filepath.Join(state, "osssync.sock")}), source
}

// TestUnprivileged runs an agent that is not told who has a file open. Nothing
// is torn all the same, and what is made and renamed arrives.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to become another user")
	}
	b := box.Start(t, box.Options{})
	_, c, source := startAsNobody(t, b, restless, func(string) {})
	settle(t, c)
	nothingTorn(t, b, source)

	write(t, filepath.Join(source, "a", "b", "file"), "text")
	if err := os.Rename(filepath.Join(source, "a"), filepath.Join(source, "c")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "c", "b", "other"), "text")
	settle(t, c)
	have, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"c/b/file", "c/b/other"} {
		if _, ok := have[key]; !ok {
			t.Errorf("%s is not in the bucket", key)
		}
	}
}
