package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestExcludedDirectories(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "no", "deep"), 0o755))
	r := start(t, dir, Options{Exclude: func(d string) bool { return strings.HasSuffix(d, "no") }})
	must(t, write(r.path("no", "f"), "1"), write(r.path("no", "deep", "f"), "1"), os.MkdirAll(r.path("a", "no", "deep"), 0o755),
		write(r.path("a", "no", "f"), "2"), write(r.path("a", "no", "deep", "f"), "2"), write(r.path("a", "yes"), "3"))
	r.settle()
	r.Rescan()
	r.settle()
	for path := range r.m.files() {
		if path != "a/yes" {
			t.Errorf("%s was told", path)
		}
	}
	if len(r.m.files()) != 1 {
		t.Error("a/yes was not told")
	}
	if st := r.Stats(); st.Mode == "inotify" && st.Watched != 2 {
		t.Errorf("%d directories watched, want the root and a", st.Watched)
	}
	must(t, os.Rename(r.path("a", "no"), r.path("a", "now")))
	r.settle()
	if _, ok := r.m.files()["a/now/deep/f"]; !ok {
		t.Error("a directory that is excluded no more was not told")
	}
	must(t, os.Rename(r.path("a", "now"), r.path("no2no")))
	r.settle()
	if _, ok := r.m.files()["a/now/deep/f"]; ok {
		t.Error("a directory that is excluded now still counts")
	}
}

func TestPolling(t *testing.T) {
	r := start(t, "", Options{Poll: true})
	if st := r.Stats(); st.Mode != "poll" || st.Reason == "" {
		t.Errorf("mode %q because %q", st.Mode, st.Reason)
	}
	for i := range 5 {
		must(t, os.MkdirAll(r.path(fmt.Sprint(i), "x"), 0o755), write(r.path(fmt.Sprint(i), "x", "f"), "1"))
		r.check() // the barrier scans
		must(t, os.RemoveAll(r.path(fmt.Sprint(i))))
		r.check()
	}
}

func TestPause(t *testing.T) {
	w := New("", nil, Options{Rescan: time.Hour})
	for _, tt := range []struct{ took, want time.Duration }{
		{0, pollMin}, {time.Second, 20 * time.Second}, {time.Hour, pollMax},
	} {
		if got := w.pause(Scan{Took: tt.took}); got < tt.want*9/10 || got > tt.want*11/10 {
			t.Errorf("pause of a poll that took %v: %v, want %v ± 10 %%", tt.took, got, tt.want)
		}
	}
	w.src = nothing{}
	if got := w.pause(Scan{}); got < 54*time.Minute || got > 66*time.Minute {
		t.Errorf("pause of a watched tree: %v", got)
	}
}

// nothing is a source that has nothing to tell.
type nothing struct{ source }

// The files of the watcher itself are in the tree that it watches.
func TestOwnFilesAreNeverTold(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, Options{PrivateDir: dir})
	for range 20 {
		r.settle()
	}
	r.Rescan()
	r.settle()
	must(t, write(r.path(cookiePrefix+"left-over"), ""))
	r.settle()
	if files := r.m.files(); len(files) != 0 {
		t.Errorf("told of %v", files)
	}
	if n := len(scanOf(t, dir, Options{}).paths()); n != 0 {
		t.Errorf("a scan lists %d of them", n)
	}
	r.stop()
	if left, _ := filepath.Glob(filepath.Join(dir, cookiePrefix+"*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// Without a place for cookies a barrier is a scan.
func TestBarrierWithoutCookies(t *testing.T) {
	r := start(t, "", Options{PrivateDir: filepath.Join(t.TempDir(), "none")})
	must(t, write(r.path("f"), "1"))
	r.check()
	must(t, write(r.path("g"), "1"))
	r.check()
}

// Writers and barriers at random times: never one that returns too early.
func TestBarrierUnderLoad(t *testing.T) {
	r := start(t, "", Options{})
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for i := range 150 {
				path := fmt.Sprintf("%d/%d/f", p, i%20)
				content := strings.Repeat("x", i)
				err := errors.Join(os.MkdirAll(r.path(fmt.Sprint(p), fmt.Sprint(i%20)), 0o755), write(r.path(path), content))
				if i%10 == 0 {
					err = errors.Join(err, r.Barrier(t.Context()))
					r.m.mu.Lock()
					got := r.m.dirs[fmt.Sprintf("%d/%d", p, i%20)]["f"]
					r.m.mu.Unlock()
					if got.Size != int64(i) {
						t.Errorf("%s has %d bytes after the barrier, want %d", path, got.Size, i)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	r.check()
	r.noScans()
}

func TestRunEndsWithSinksError(t *testing.T) {
	m := newMirror(t.TempDir())
	full := errors.New("disk full")
	m.onList = func(Listing) error { return full }
	if err := New(m.root, m, Options{PrivateDir: t.TempDir()}).Run(t.Context()); err != full {
		t.Errorf("Run = %v, want %v", err, full)
	}
}

// A root that is not there at first.
func TestRootComesLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	m := newMirror(dir)
	w := New(dir, m, Options{PrivateDir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { w.Run(ctx) })
	eventually(t, "the missing root is told", func() bool { s := m.scanned(); return len(s) > 0 && s[0].Err != nil })
	must(t, os.Mkdir(dir, 0o755), write(filepath.Join(dir, "f"), "1"))
	w.Rescan()
	eventually(t, "the root is scanned", func() bool { return len(m.files()) == 1 })
	must(t, write(filepath.Join(dir, "g"), "1"))
	must(t, w.Barrier(ctx))
	if len(m.files()) != 2 {
		t.Error("the root is not watched")
	}
}

// More hints than fit become listings, and more of those a scan.
func TestCollapse(t *testing.T) {
	for _, dirs := range []int{2, 1000} {
		t.Run(fmt.Sprint(dirs), func(t *testing.T) {
			r := start(t, "", Options{}, func(w *Watcher) { w.pending.maxFiles, w.pending.maxDirs = 64, 4 })
			for i := range 6 {
				must(t, os.Mkdir(r.path(fmt.Sprint(i)), 0o755))
			}
			r.settle()
			release := make(chan struct{})
			r.m.mu.Lock()
			r.m.onList = func(Listing) error { <-release; return nil } // which holds the mirror's mutex
			r.m.mu.Unlock()
			must(t, os.Mkdir(r.path("block"), 0o755))
			for i := range 600 {
				must(t, write(r.path(fmt.Sprint(i%min(dirs, 6)), fmt.Sprint("f", i)), "1"))
			}
			eventually(t, "hints collapse", func() bool { return r.Stats().Collapses > 0 })
			if n := r.Stats().Pending; n > 64+4 {
				t.Errorf("%d pending", n)
			}
			close(release)
			r.check()
		})
	}
}
