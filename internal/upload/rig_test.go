package upload

import (
	"bytes"
	"errors"
	"hash/crc64"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A rig is a tree, a store and an uploader for them.
type rig struct {
	t      *testing.T
	dir    string
	store  *store
	target *Target
	u      *Uploader
}

const testPart = leastPart // bytes; larger files are sent in parts

func newRig(t *testing.T, opt Options) *rig {
	t.Helper()
	dir := t.TempDir()
	tree, err := OpenTree(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	s := newStore()
	if opt.PartSize == 0 {
		opt.PartSize = testPart
	}
	if opt.Workers == 0 {
		opt.Workers = 4
	}
	return &rig{t: t, dir: dir, store: s, u: New(newQueue(), opt), target: &Target{Name: "job", Tree: tree, Bucket: s, Index: s}}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// symlink makes a symbolic link, and fails where none comes of it: some users
// may not, and Wine says that it did.
func symlink(target, name string) error {
	if err := os.Symlink(target, name); err != nil {
		return err
	}
	if fi, err := os.Lstat(name); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		return errors.New("this system made no symbolic link of it")
	}
	return nil
}

func (r *rig) write(name string, data []byte) {
	r.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(r.path(name)), 0o755), os.WriteFile(r.path(name), data, 0o644)); err != nil {
		r.t.Fatal(err)
	}
}

// job returns a job for a file as it is now.
func (r *rig) job(a Action, name string) *Job {
	j := &Job{Target: r.target, Action: a, Path: name, Key: "k/" + name}
	j.Version, _ = r.target.Tree.Stat(name)
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if e, ok := r.store.entries[name]; ok {
		j.Known = &e
	}
	return j
}

func (r *rig) do(a Action, name string) Result {
	r.t.Helper()
	return r.u.do(r.t.Context(), r.job(a, name))
}

// mustDo does a job that must end well.
func (r *rig) mustDo(a Action, name string) Result {
	r.t.Helper()
	res := r.do(a, name)
	if res.Err != nil {
		r.t.Fatalf("%v of %s: %v", a, name, res.Err)
	}
	return res
}

// holds checks that bucket and index hold exactly these bytes for a file, and
// that no upload is left over.
func (r *rig) holds(name string, data []byte) {
	r.t.Helper()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	o, ok := r.store.objects["k/"+name]
	if !ok || !bytes.Equal(o.data, data) {
		r.t.Errorf("object of %s: there %t, %d bytes; want the file's %d", name, ok, len(o.data), len(data))
	}
	e := r.store.entries[name]
	if e.CRC64 != crc64.Checksum(data, reference) || e.Size != int64(len(data)) || e.ETag != o.etag || e.Key != "k/"+name || e.Uploaded.IsZero() {
		r.t.Errorf("entry of %s: %+v", name, e)
	}
	if len(r.store.pending) > 0 || len(r.store.plans) > 0 {
		r.t.Errorf("left over: uploads %v, plans %v", slices.Collect(maps.Keys(r.store.pending)), r.store.plans)
	}
}

// pattern returns n bytes that depend on seed.
func pattern(n int, seed uint64) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(p)
	return p
}

// age makes a file look untouched for an hour, but for its change time.
func (r *rig) age(name string) {
	r.t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(r.path(name), old, old); err != nil {
		r.t.Fatal(err)
	}
}

// ripe waits until the file's version proves its bytes, whatever its clock.
func (r *rig) ripe(name string) {
	r.t.Helper()
	for {
		f, err := r.target.Tree.Open(name)
		must(r.t, err)
		racy := f.racy()
		f.Close()
		if !racy {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
