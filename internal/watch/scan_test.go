package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A collector is a Sink that keeps every listing of a scan.
type collector struct {
	mu       sync.Mutex
	listings map[string]Listing
	order    []string
	scan     Scan
	fail     error
}

func (c *collector) Hint(string, Cause) {}

func (c *collector) Listed(_ context.Context, l Listing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listings == nil {
		c.listings = make(map[string]Listing)
	}
	l.Files, l.Dirs = slices.Clone(l.Files), slices.Clone(l.Dirs)
	c.listings[l.Dir] = l
	c.order = append(c.order, l.Dir)
	return c.fail
}

func (c *collector) Scanned(_ context.Context, s Scan) error {
	c.scan = s
	return nil
}

func scanOf(t testing.TB, dir string, opt Options) *collector {
	t.Helper()
	c := new(collector)
	must(t, ScanOnce(t.Context(), dir, c, opt))
	return c
}

// paths returns the files of all listings.
func (c *collector) paths() []string {
	var all []string
	for dir, l := range c.listings {
		for _, f := range l.Files {
			all = append(all, join(dir, f.Name))
		}
	}
	slices.Sort(all)
	return all
}

// tree makes a random tree.
func makeTree(t testing.TB, dir string, dirs, files int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	all := []string{dir}
	for i := range dirs {
		d := filepath.Join(all[r.IntN(len(all))], fmt.Sprint("d", i))
		must(t, os.Mkdir(d, 0o755))
		all = append(all, d)
	}
	for i := range files {
		must(t, write(filepath.Join(all[r.IntN(len(all))], fmt.Sprint("f", i)), strings.Repeat("x", r.IntN(50))))
	}
}

func TestScanEqualsWalkDir(t *testing.T) {
	dir := t.TempDir()
	makeTree(t, dir, 60, 600)
	for _, workers := range []int{1, 4} {
		c := scanOf(t, dir, Options{Workers: workers})
		got := make(map[string]sig)
		dirs := 0
		for d, l := range c.listings {
			dirs++
			if !slices.IsSorted(l.Dirs) {
				t.Errorf("directories of %q are not sorted", d)
			}
			for _, f := range l.Files {
				got[join(d, f.Name)] = sig{f.Size, f.MTime}
			}
		}
		want := disk(t, dir)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers (-WalkDir +ScanOnce):\n%s", workers, diff)
		}
		s := c.scan
		if !s.Complete || s.Files != int64(len(want)) || s.Dirs != 61 || dirs != 61 || s.Err != nil || s.Number != 1 {
			t.Errorf("%d workers: %+v", workers, s)
		}
		seen := make(map[string]bool)
		for _, d := range c.order {
			up, _ := split(d)
			if d != "" && !seen[up] {
				t.Errorf("%q was listed before the directory that holds it", d)
			}
			seen[d] = true
		}
	}
}

func TestDigest(t *testing.T) {
	dir := t.TempDir()
	f := filepath.Join(dir, "f")
	must(t, write(f, "one"), os.Mkdir(filepath.Join(dir, "d"), 0o755))
	last := scanOf(t, dir, Options{}).listings[""].Digest
	if again := scanOf(t, dir, Options{}).listings[""].Digest; again != last || last == 0 {
		t.Fatalf("digests of an unchanged directory: %x, %x", last, again)
	}
	fi, err := os.Stat(f)
	must(t, err, write(filepath.Join(dir, "d", "below"), ""))
	if scanOf(t, dir, Options{}).listings[""].Digest != last {
		t.Error("the digest changed with what is in a directory below")
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"write of the same size, time set back", func() error {
			return errors.Join(write(f, "two"), os.Chtimes(f, fi.ModTime(), fi.ModTime()))
		}},
		{"new file", func() error { return write(filepath.Join(dir, "g"), "") }},
		{"replaced by another file", func() error { return os.Rename(filepath.Join(dir, "g"), f) }},
		{"new directory", func() error { return os.Mkdir(filepath.Join(dir, "e"), 0o755) }},
		{"directory removed", func() error { return os.Remove(filepath.Join(dir, "e")) }},
		{"file removed", func() error { return os.Remove(f) }},
	} {
		must(t, step.do())
		now := scanOf(t, dir, Options{}).listings[""].Digest
		if now == last {
			t.Errorf("%s: same digest", step.name)
		}
		last = now
	}
}

// What is kept on disk by one release has to mean the same to the next.
func TestDigestNeverChanges(t *testing.T) {
	f := File{Name: "a file name.txt", Size: 1, MTime: 2, CTime: 3, FileID: [2]uint64{4, 5}}
	if got := digestFile(&f); got != 0xdebde67175a4742d {
		t.Errorf("digestFile = %#x", got)
	}
	if got := digestDir("dir"); got != 0xf62a0f3111867fc0 {
		t.Errorf("digestDir = %#x", got)
	}
}

func TestScanExcludes(t *testing.T) {
	dir := t.TempDir()
	makeTree(t, dir, 30, 100)
	must(t, os.MkdirAll(filepath.Join(dir, "no", "deep"), 0o755), write(filepath.Join(dir, "no", "deep", "f"), ""))
	c := scanOf(t, dir, Options{Exclude: func(d string) bool { return d == "no" }})
	for d, l := range c.listings {
		if strings.HasPrefix(d, "no") || slices.Contains(l.Dirs, "no") {
			t.Errorf("excluded directory in listing of %q", d)
		}
	}
}

func TestScanEndsWithSinksError(t *testing.T) {
	dir := t.TempDir()
	makeTree(t, dir, 30, 10)
	c := &collector{fail: errors.New("disk full")}
	if err := ScanOnce(t.Context(), dir, c, Options{Workers: 4}); err != c.fail {
		t.Errorf("ScanOnce = %v, want %v", err, c.fail)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ScanOnce(ctx, dir, new(collector), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ScanOnce = %v, want %v", err, context.Canceled)
	}
}

func TestScanWithoutRoot(t *testing.T) {
	dir := t.TempDir()
	for _, root := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "file")} {
		must(t, write(filepath.Join(dir, "file"), ""))
		c := scanOf(t, root, Options{})
		if c.scan.Err == nil || c.scan.Complete || len(c.listings) != 0 {
			t.Errorf("scan of %s: %+v, %d listings", root, c.scan, len(c.listings))
		}
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755), write(filepath.Join(dir, "a", "f"), "1"))
	l, err := List(dir, "a", Options{})
	if err != nil || len(l.Files) != 1 || !slices.Equal(l.Dirs, []string{"b"}) || l.Dir != "a" {
		t.Errorf("List = %+v, %v", l, err)
	}
	for _, none := range []string{"none", "a/f", "a/f/x"} {
		if _, err := List(dir, none, Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("List of %q: %v", none, err)
		}
	}
}
