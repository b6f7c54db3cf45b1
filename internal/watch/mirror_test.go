package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A mirror is a Sink that does what the agent does: it believes no hint and no
// listing, but looks at each file that one names or fails to name. When the
// watcher has missed nothing, what it knows equals the disk.
type mirror struct {
	root string

	mu      sync.Mutex
	dirs    map[string]map[string]sig
	causes  map[string][]Cause
	listed  map[string]int
	scans   []Scan
	onList  func(Listing) error
	special int
}

type sig struct {
	Size, MTime int64
}

func newMirror(root string) *mirror {
	return &mirror{
		root:   root,
		dirs:   make(map[string]map[string]sig),
		causes: make(map[string][]Cause),
		listed: make(map[string]int),
	}
}

func (m *mirror) Hint(path string, c Cause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.causes[path] = append(m.causes[path], c)
	m.look(path)
}

func (m *mirror) look(path string) {
	dir, name := split(path)
	fi, err := os.Lstat(filepath.Join(m.root, path))
	if err != nil || !fi.Mode().IsRegular() {
		delete(m.dirs[dir], name)
		return
	}
	if m.dirs[dir] == nil {
		m.dirs[dir] = make(map[string]sig)
	}
	m.dirs[dir][name] = sig{fi.Size(), fi.ModTime().UnixNano()}
}

func (m *mirror) Listed(_ context.Context, l Listing) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listed[l.Dir]++
	m.special += l.Special
	if m.onList != nil {
		if err := m.onList(l); err != nil {
			return err
		}
	}
	for _, f := range l.Files {
		m.look(join(l.Dir, f.Name))
	}
	for name := range maps.Clone(m.dirs[l.Dir]) {
		m.look(join(l.Dir, name))
	}
	prefix := l.Dir + "/"
	if l.Dir == "" {
		prefix = ""
	}
	for dir, files := range m.dirs {
		rest, below := strings.CutPrefix(dir, prefix)
		if !below || dir == l.Dir {
			continue
		}
		first, _, _ := strings.Cut(rest, "/")
		if _, there := slices.BinarySearch(l.Dirs, first); !there {
			for name := range maps.Clone(files) {
				m.look(join(dir, name))
			}
		}
	}
	return nil
}

func (m *mirror) Scanned(_ context.Context, s Scan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scans = append(m.scans, s)
	return nil
}

// files returns what the mirror knows.
func (m *mirror) files() map[string]sig {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]sig)
	for dir, files := range m.dirs {
		for name, s := range files {
			all[join(dir, name)] = s
		}
	}
	return all
}

func (m *mirror) hints(path string) []Cause {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.causes[path])
}

func (m *mirror) scanned() []Scan {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.scans)
}

// disk returns what filepath.WalkDir finds, which is the truth.
func disk(t testing.TB, root string) map[string]sig {
	t.Helper()
	all := make(map[string]sig)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		all[filepath.ToSlash(rel)] = sig{fi.Size(), fi.ModTime().UnixNano()}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A rig is a running Watcher with its mirror.
type rig struct {
	*Watcher
	t    testing.TB
	dir  string
	m    *mirror
	base int // scans before the test began
	stop func()
}

// start runs a watcher of a new directory, or of dir, until the test ends.
func start(t testing.TB, dir string, opt Options, prepare ...func(*Watcher)) *rig {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	if opt.PrivateDir == "" {
		opt.PrivateDir = t.TempDir()
	}
	if opt.Logger == nil && testing.Verbose() {
		opt.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	m := newMirror(dir)
	r := &rig{Watcher: New(dir, m, opt), t: t, dir: dir, m: m}
	for _, f := range prepare {
		f(r.Watcher)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want context.Canceled", err)
		}
	})
	t.Cleanup(r.stop)
	r.settle()
	r.base = len(m.scanned())
	return r
}

// settle waits at the barrier.
func (r *rig) settle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Barrier(ctx); err != nil {
		r.t.Fatalf("Barrier: %v, stats %+v", err, r.Stats())
	}
}

// check waits at the barrier and compares the mirror with the disk.
func (r *rig) check() {
	r.t.Helper()
	r.settle()
	if diff := cmp.Diff(disk(r.t, r.dir), r.m.files()); diff != "" {
		r.t.Errorf("mirror differs from the disk (-disk +mirror):\n%s", diff)
	}
}

// noScans fails the test if there was a scan since it began: all was to be
// found by events.
func (r *rig) noScans() {
	r.t.Helper()
	if n := len(r.m.scanned()) - r.base; n != 0 {
		r.t.Errorf("%d scans, want none: %+v", n, r.Stats())
	}
}

func (r *rig) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

// must is for the many calls of a test that cannot fail.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(path, content string) error { return os.WriteFile(path, []byte(content), 0o644) }

// eventually waits for what happens in other goroutines.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s", what)
		}
	}
}
