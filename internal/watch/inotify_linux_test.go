package watch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// source returns a source that nobody listens to, and its open root.
func newSource(t *testing.T, limit func(watches) watches, lost func(error)) (*inotify, *root) {
	t.Helper()
	dir := t.TempDir()
	h := host{
		root:    dir,
		opt:     Options{PrivateDir: t.TempDir()}.withDefaults(),
		pending: newPending(func() {}),
		lost:    lost,
	}
	s, reason := openLimited(h, limit)
	if s == nil {
		t.Fatal(reason)
	}
	t.Cleanup(s.close)
	r, err := openRoot(dir, false)
	must(t, err)
	t.Cleanup(r.close)
	return s.(*inotify), r
}

func unlimited(w watches) watches { return w }

func enter(t *testing.T, s *inotify, r *root, path string) error {
	t.Helper()
	d, err := r.open(path)
	must(t, err)
	defer d.close()
	return s.enter(d)
}

// A swapper puts a link where a directory was, just as that is being watched.
type swapper struct {
	watches
	swap func(path string)
}

func (w swapper) Add(path string) error {
	w.swap(path)
	return w.watches.Add(path)
}

func TestDirectoryReplacedWhileItIsWatched(t *testing.T) {
	outside := t.TempDir()
	limit := func(w watches) watches {
		return swapper{w, func(path string) {
			if filepath.Base(path) == "d" {
				must(t, os.Rename(path, path+".old"), os.Symlink(outside, path))
			}
		}}
	}
	s, r := newSource(t, limit, func(error) {})
	must(t, os.Mkdir(filepath.Join(s.root, "d"), 0o755), enter(t, s, r, ""))
	if err := enter(t, s, r, "d"); err != errStale {
		t.Errorf("enter = %v, want %v", err, errStale)
	}
	if s.known("d") {
		t.Error("the directory outside counts as watched")
	}
}

func TestEnterBelowUnknownDirectory(t *testing.T) {
	s, r := newSource(t, unlimited, func(error) {})
	must(t, os.MkdirAll(filepath.Join(s.root, "a", "b"), 0o755), enter(t, s, r, ""))
	if err := enter(t, s, r, "a/b"); err != errUnknown {
		t.Errorf("enter = %v, want %v", err, errUnknown)
	}
}

// Events can bear the former name of a directory, or that of one that is yet
// to be looked at. Whatever is there now has to be.
func TestEventBelowUnknownDirectory(t *testing.T) {
	s, r := newSource(t, unlimited, func(error) {})
	must(t, os.Mkdir(filepath.Join(s.root, "a"), 0o755), enter(t, s, r, ""), enter(t, s, r, "a"))
	for _, tt := range []struct{ event, want string }{
		{"x/y/z/f", "x"}, {"a/b/c/f", "a/b"}, {"x/f", "x"},
	} {
		s.event(&fsnotify.Event{Name: filepath.Join(s.root, tt.event), Op: fsnotify.Create})
		d, err := s.pending.takeDir(t.Context())
		if err != nil || d.dir != tt.want || !d.deep {
			t.Errorf("after an event of %s: %+v, want %s to be listed", tt.event, d, tt.want)
		}
	}
}

// A file was removed and a directory made in its place, and that was entered
// before the news of the file's end came: the file must not be believed in.
func TestFileGoneWhereADirectoryIsKnown(t *testing.T) {
	s, r := newSource(t, unlimited, func(error) {})
	must(t, os.Mkdir(filepath.Join(s.root, "d"), 0o755), enter(t, s, r, ""), enter(t, s, r, "d"))
	s.event(&fsnotify.Event{Name: filepath.Join(s.root, "d"), Op: fsnotify.Remove})
	d, err := s.pending.takeDir(t.Context())
	if err != nil || d.dir != "d" || !d.deep {
		t.Errorf("%+v is to be listed, want d", d)
	}
	if n, _ := s.pending.count(); n != 1 {
		t.Fatalf("%d paths are to be hinted, want d", n)
	}
	b, err := s.pending.takeFiles(t.Context())
	if err != nil || Cause(b.names["d"]&markCause) != Removed {
		t.Errorf("%+v is to be hinted, want that d was removed", b)
	}
}

// A barrier must not overtake the news of an overflow.
func TestCookieWaitsForErrors(t *testing.T) {
	told, release := make(chan struct{}), make(chan struct{})
	s, r := newSource(t, unlimited, func(error) { close(told); <-release })
	must(t, enter(t, s, r, ""))
	s.fs.Errors <- errors.New("something")
	<-told
	done := make(chan error, 1)
	go func() { done <- s.cookie(t.Context()) }()
	select {
	case <-done:
		t.Error("the cookie came back before the error was told")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What the library keeps to itself is found in the release that is used.
func TestCloseWriteAndRenamesAreTold(t *testing.T) {
	s, _ := newSource(t, unlimited, func(error) {})
	if !s.closeWrite || s.moved == nil {
		t.Errorf("closed files told: %v, renames told: %v", s.closeWrite, s.moved != nil)
	}
}

// Without it everything works, but that no cause is better than Changed.
func TestPublicMeansOnly(t *testing.T) {
	r := start(t, "", Options{}, func(w *Watcher) {
		w.open = func(h host) (source, string) {
			s, err := openInotify(h, false)
			if err != nil {
				return nil, err.Error()
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.moved = nil
			return s, ""
		}
	})
	k := newMonkey(r.dir, 11)
	for range 500 {
		k.step()
	}
	r.check()
	r.noScans()
	for path, causes := range r.m.causes {
		for _, c := range causes {
			if c == Closed || c == Moved {
				t.Errorf("%s: %v", path, c)
			}
		}
	}
}

func TestEventQueue(t *testing.T) {
	var q eventQueue
	q.more.L = &q.mu
	write := fsnotify.Event{Name: "a", Op: fsnotify.Write}
	q.put(write)
	q.put(write)
	q.put(fsnotify.Event{Name: "a", Op: opCloseWrite})
	q.put(write)
	if got := q.take(nil); len(got) != 3 {
		t.Errorf("%v, want one of two equal writes in a row", got)
	}
	for range maxEvents {
		q.put(fsnotify.Event{Name: "a", Op: fsnotify.Chmod})
	}
	put := make(chan struct{})
	go func() { q.put(write); close(put) }()
	select {
	case <-put:
		t.Error("a full queue takes one more")
	case <-time.After(10 * time.Millisecond):
	}
	full := q.take(nil)
	<-put
	if got := q.take(full); len(got) != 1 || len(full) != maxEvents {
		t.Errorf("%d and then %d events", len(full), len(got))
	}
	q.end()
	if got := q.take(nil); len(got) != 0 {
		t.Errorf("%v after the end", got)
	}
}
