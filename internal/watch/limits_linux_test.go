package watch

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A quota fails as a kernel does that has no more watches.
type quota struct {
	watches
	mu   sync.Mutex
	max  int
	used map[string]bool
}

func (q *quota) Add(path string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.used) >= q.max {
		return unix.ENOSPC
	}
	err := q.watches.Add(path)
	if err == nil {
		q.used[path] = true
	}
	return err
}

func (q *quota) Remove(path string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.used, path)
	return q.watches.Remove(path)
}

func withQuota(n int) func(*Watcher) {
	return func(w *Watcher) {
		w.open = func(h host) (source, string) {
			return openLimited(h, func(w watches) watches {
				return &quota{watches: w, max: n, used: make(map[string]bool)}
			})
		}
	}
}

func TestTooFewWatches(t *testing.T) {
	const dirs, limit = 50, 20
	dir := t.TempDir()
	past := time.Now().Add(-time.Hour)
	for i := range dirs {
		d := filepath.Join(dir, fmt.Sprint(i))
		must(t, os.Mkdir(d, 0o755), os.Chtimes(d, past, past))
	}
	hot := filepath.Join(dir, "49")
	must(t, os.Chtimes(hot, time.Now(), time.Now()))
	var log syncBuffer
	r := start(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, withQuota(limit))

	st := r.Stats()
	if st.Watched != limit || st.Total != dirs+1 {
		t.Errorf("%d of %d directories watched, want %d of %d", st.Watched, st.Total, limit, dirs+1)
	}
	if !strings.HasPrefix(st.Advice, "fs.inotify.max_user_watches = ") {
		t.Errorf("Advice = %q", st.Advice)
	}
	if _, unwatched := r.source().last("49"); unwatched {
		t.Error("the directory that changed last has no watch")
	}

	cold := ""
	for i := range dirs {
		if _, unwatched := r.source().last(fmt.Sprint(i)); unwatched {
			cold = fmt.Sprint(i)
		}
	}
	must(t, write(r.path(cold, "f"), "1"), r.pollUnwatched(t.Context()))
	if _, ok := r.m.files()[cold+"/f"]; !ok {
		t.Error("a new file in a directory without a watch was not found by a poll")
	}
	eventually(t, "a directory that changed gets a watch", func() bool {
		_, unwatched := r.source().last(cold)
		return !unwatched
	})
	if got := r.Stats().Watched; got != limit {
		t.Errorf("%d directories watched, want still %d", got, limit)
	}
	r.m.forget()
	must(t, write(r.path(cold, "f"), "22"))
	eventually(t, "its next change is hinted", func() bool { return len(r.m.hints(cold+"/f")) > 0 })
	r.check()

	for i := range dirs - 10 {
		must(t, os.RemoveAll(r.path(fmt.Sprint(i))))
	}
	r.check()
	must(t, r.pollUnwatched(t.Context()))
	if st := r.Stats(); st.Watched != st.Total || st.Total > 11 {
		t.Errorf("%d of %d directories watched after there was room again", st.Watched, st.Total)
	}
	if n := strings.Count(log.String(), st.Advice[:20]); n != 1 {
		t.Errorf("the limit was logged %d times:\n%s", n, log.String())
	}
}

func TestChaosTooFewWatches(t *testing.T) {
	r := start(t, filepath.Join(newDir(t), "root"), Options{}, withQuota(12))
	k := newMonkey(r.dir, 7)
	for i := range 600 {
		k.step()
		if i%100 == 0 {
			r.check() // by a scan, for some are not watched
		}
	}
	r.check()
}

func newHost(t *testing.T) host {
	return host{root: t.TempDir(), pending: newPending(func() {}), lost: func(error) {}, opt: Options{}.withDefaults()}
}

// The process has no descriptor left.
func TestNoDescriptor(t *testing.T) {
	h := newHost(t)
	if !inChild(t) {
		return
	}
	var fds []int
	for {
		fd, err := unix.Dup(0)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	src, reason := openSource(h)
	for _, fd := range fds {
		unix.Close(fd)
	}
	if src != nil || !strings.Contains(reason, "too many open files") {
		t.Errorf("openSource = %v, %q, want none and a word on open files", src, reason)
	}
}

// The kernel gives the user no instance. The tree is polled, and watched as
// soon as it does.
func TestNoInotifyInstance(t *testing.T) {
	if !inUserNamespace(t) {
		return
	}
	limit(t, "max_inotify_instances", 0)
	r := start(t, "", Options{})
	if st := r.Stats(); st.Mode != "poll" || !strings.Contains(st.Reason, "fs.inotify.max_user_instances") {
		t.Errorf("mode %q because %q, want a word on max_user_instances", st.Mode, st.Reason)
	}
	must(t, write(r.path("f"), "1"))
	r.check()
	limit(t, "max_inotify_instances", 8)
	r.Rescan()
	eventually(t, "the tree is watched", func() bool { return r.Stats().Mode == "inotify" })
	r.settle()
	scans := len(r.m.scanned())
	must(t, write(r.path("g"), "2"))
	r.check()
	if n := len(r.m.scanned()); n != scans {
		t.Errorf("%d scans for a change of a watched tree", n-scans)
	}
}

// The kernel gives the user fewer watches than there are directories.
func TestNoWatchesLeft(t *testing.T) {
	if !inUserNamespace(t) {
		return
	}
	const dirs, watches = 60, 20
	limit(t, "max_inotify_watches", watches)
	dir := t.TempDir()
	for i := range dirs {
		must(t, os.MkdirAll(filepath.Join(dir, fmt.Sprint(i)), 0o755))
	}
	r := start(t, dir, Options{})
	st := r.Stats()
	if st.Mode != "inotify" || st.Watched == 0 || st.Watched > watches || st.Total != dirs+1 ||
		!strings.HasPrefix(st.Advice, "fs.inotify.max_user_watches = ") {
		t.Errorf("%d of %d directories watched, advice %q", st.Watched, st.Total, st.Advice)
	}
	for i := range dirs {
		must(t, write(r.path(fmt.Sprint(i), "f"), fmt.Sprint(i)))
	}
	r.check() // by a scan
	for i := range dirs - 10 {
		must(t, os.RemoveAll(r.path(fmt.Sprint(i))))
	}
	r.check()
	must(t, r.pollUnwatched(t.Context()))
	if st := r.Stats(); st.Watched != st.Total || st.Total != 11 {
		t.Errorf("%d of %d directories watched after there was room again", st.Watched, st.Total)
	}
	scans := len(r.m.scanned())
	must(t, write(r.path(fmt.Sprint(dirs-1), "g"), "1"))
	r.check()
	if n := len(r.m.scanned()); n != scans {
		t.Errorf("%d scans although all is watched again", n-scans)
	}
}

// A source that cannot be had at first is asked for again at each scan.
func TestSourceComesLater(t *testing.T) {
	var free atomic.Bool
	r := start(t, "", Options{}, func(w *Watcher) {
		w.open = func(h host) (source, string) {
			if !free.Load() {
				return nil, "no instance left"
			}
			return openSource(h)
		}
	})
	if st := r.Stats(); st.Mode != "poll" || st.Reason != "no instance left" {
		t.Errorf("mode %q because %q", st.Mode, st.Reason)
	}
	free.Store(true)
	must(t, write(r.path("f"), "1"))
	r.check() // a scan, and with it a source
	if st := r.Stats(); st.Mode != "inotify" {
		t.Errorf("mode %q after a scan", st.Mode)
	}
}

func TestUnreadableDirectory(t *testing.T) {
	if !inChild(t) {
		return
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	must(t, os.MkdirAll(filepath.Join(secret, "deep"), 0o755), write(filepath.Join(secret, "deep", "f"), "1"),
		write(filepath.Join(dir, "open"), "2"), os.Chmod(secret, 0))
	t.Cleanup(func() { os.Chmod(secret, 0o755) })
	r := start(t, dir, Options{})
	s := r.m.scanned()[0]
	if s.Complete || len(s.Unread) != 1 || s.Unread[0] != "secret" || s.Err != nil ||
		!errors.Is(s.Why, os.ErrPermission) {
		t.Errorf("scan %+v, want incomplete without secret", s)
	}
	if _, ok := r.m.files()["open"]; !ok {
		t.Error("the rest was not listed")
	}
	must(t, os.Chmod(secret, 0o755))
	r.check()
	r.noScans()
	must(t, os.Chmod(secret, 0))
	r.Rescan()
	r.settle()
	if _, ok := r.m.files()["secret/deep/f"]; !ok {
		t.Error("a file is forgotten whose directory cannot be read")
	}
}

func TestUnreadableRoot(t *testing.T) {
	if !inChild(t) {
		return
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0))
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	m := newMirror(dir)
	must(t, ScanOnce(t.Context(), dir, m, Options{}))
	if s := m.scanned()[0]; !errors.Is(s.Err, os.ErrPermission) || s.Complete {
		t.Errorf("scan %+v, want a permission error", s)
	}
}

func TestRootReplaced(t *testing.T) {
	dir := newDir(t)
	must(t, write(filepath.Join(dir, "root", "f"), "1"))
	r := start(t, filepath.Join(dir, "root"), Options{})
	first := r.m.scanned()[0]
	must(t, os.Rename(r.dir, r.dir+".old"))
	eventually(t, "the missing root is told", func() bool {
		s := r.m.scanned()
		return s[len(s)-1].Err != nil
	})
	must(t, os.Mkdir(r.dir, 0o755))
	r.Rescan()
	r.settle()
	scans := r.m.scanned()
	if last := scans[len(scans)-1]; last.Root == first.Root || last.Err != nil || !last.Complete {
		t.Errorf("scan of another root: %+v, first %+v", last, first)
	}
	must(t, os.Mkdir(r.path("d"), 0o755), write(r.path("d", "g"), "2"))
	r.settle()
	if _, ok := r.m.files()["d/g"]; !ok {
		t.Error("nothing is noticed in the new root")
	}
}

// No event tells that something was mounted over the root, or of a watch that
// the library no longer has.
func TestRootChangedWithoutEvent(t *testing.T) {
	r := start(t, "", Options{})
	sum := r.m.scanned()[0]
	if r.rootChanged(sum) {
		t.Error("the root counts as changed, but is the same")
	}
	sum.Root.FileID[0]++
	if !r.rootChanged(sum) {
		t.Error("the root counts as the same, but is another")
	}
	eventually(t, "the source is replaced", func() bool { return r.Stats().Recoveries == 1 })
	must(t, write(r.path("f"), "1"))
	r.check()
}

func TestUnknownErrorAndPanicAreOverflows(t *testing.T) {
	r := start(t, "", Options{})
	must(t, os.Mkdir(r.path("d"), 0o755))
	r.settle()
	s := r.source().(*inotify)
	s.fs.Errors <- errors.New("something new")
	eventually(t, "an unknown error is a recovery", func() bool { return r.Stats().Recoveries == 1 })
	r.settle()

	s = r.source().(*inotify)
	s.mu.Lock()
	s.w = panics{s.w}
	s.mu.Unlock()
	must(t, os.Remove(r.path("d")), write(r.path("f"), "1"))
	eventually(t, "a panic is a recovery", func() bool { return r.Stats().Recoveries == 2 })
	r.check()
}

type panics struct{ watches }

func (panics) Remove(string) error { panic("nil pointer dereference") }

func TestSilentFileSystems(t *testing.T) {
	if got := silent(t.TempDir()); got != "" {
		t.Errorf("the temporary directory counts as %s", got)
	}
	if silentFS[unix.NFS_SUPER_MAGIC] == "" || silentFS[unix.FUSE_SUPER_MAGIC] == "" || silentFS[unix.SMB2_SUPER_MAGIC] == "" {
		t.Error("NFS, SMB and FUSE have to be polled")
	}
}

func TestEnoughWatches(t *testing.T) {
	for _, needed := range []int{0, 100_000, 3_000_000} {
		if got := enoughWatches(needed); got < 2*needed || got < 1<<19 || got&(got-1) != 0 {
			t.Errorf("enoughWatches(%d) = %d", needed, got)
		}
	}
}

// forget empties the mirror's notes of hints and listings.
func (m *mirror) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.causes)
	clear(m.listed)
}

// A syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
