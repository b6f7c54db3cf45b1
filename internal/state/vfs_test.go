package state

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A disk is a file layer below SQLite that passes everything to the usual one,
// notes what is written and synced, and fails when told to. It sees what a
// real disk sees: all but the shared memory, which no power cut leaves behind.
type disk struct {
	name string
	fail atomic.Int32 // result code of every write and sync; 0 means none
	only atomic.Value // the file that fails, a string; nil means all

	mu     sync.Mutex
	events []event
}

type event struct {
	kind eventKind
	file string
	off  int64 // of a write; new size of a truncation; n of an ack
	data []byte
	path string // of an ack
}

type eventKind int

const (
	write eventKind = iota
	truncate
	sync_
	remove
	acked
)

func (d *disk) note(e event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// syncs counts how often a file was synced.
func (d *disk) syncs() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.kind == sync_ {
			n++
		}
	}
	return n
}

// registry finds the disk that a callback of SQLite is about: C knows no closures.
var registry struct {
	sync.Mutex
	layers map[uintptr]*layer    // by sqlite3_vfs
	files  map[uintptr]*openFile // by sqlite3_file
}

type layer struct {
	disk *disk
	orig lib.Tsqlite3_vfs
}

type openFile struct {
	disk *disk
	name string
	ours uintptr // sqlite3_io_methods
	orig lib.Tsqlite3_io_methods
}

// inC copies v to where the library may do arithmetic with its address, which
// the race detector forbids with Go's own memory.
func inC[T any](tls *libc.TLS, v T) (at uintptr, there *T) {
	at = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(v)))
	there = *(**T)(unsafe.Pointer(&at))
	*there = v
	return at, there
}

// newDisk registers a file layer for one test.
func newDisk(t testing.TB) *disk {
	registry.Lock()
	defer registry.Unlock()
	if registry.layers == nil {
		registry.layers, registry.files = map[uintptr]*layer{}, map[uintptr]*openFile{}
	}
	tls := libc.NewTLS()
	defer tls.Close()
	d := &disk{name: fmt.Sprintf("disk%d", len(registry.layers))}
	name, err := libc.CString(d.name)
	if err != nil {
		t.Fatal(err)
	}
	usual := lib.Xsqlite3_vfs_find(tls, 0)
	l := &layer{disk: d, orig: **(**lib.Tsqlite3_vfs)(unsafe.Pointer(&usual))}
	at, vfs := inC(tls, l.orig)
	vfs.FpNext = 0
	vfs.FzName = name
	*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&vfs.FxOpen)) = diskOpen
	*(*func(*libc.TLS, uintptr, uintptr, int32) int32)(unsafe.Pointer(&vfs.FxDelete)) = diskDelete
	registry.layers[at] = l // and never removed: SQLite may hold on to it
	if rc := lib.Xsqlite3_vfs_register(tls, at, 0); rc != lib.SQLITE_OK {
		t.Fatalf("register file layer: %d", rc)
	}
	return d
}

func findLayer(vfs uintptr) *layer {
	registry.Lock()
	defer registry.Unlock()
	return registry.layers[vfs]
}

func findFile(file uintptr) *openFile {
	registry.Lock()
	defer registry.Unlock()
	return registry.files[file]
}

func diskOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	l := findLayer(vfs)
	open := *(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&l.orig.FxOpen))
	rc := open(tls, vfs, name, file, flags, outFlags)
	header := *(**lib.Tsqlite3_file)(unsafe.Pointer(&file))
	if rc != lib.SQLITE_OK || name == 0 || header.FpMethods == 0 {
		return rc
	}
	f := &openFile{disk: l.disk, name: filepath.Base(libc.GoString(name))}
	f.orig = **(**lib.Tsqlite3_io_methods)(unsafe.Pointer(&header.FpMethods))
	at, ours := inC(tls, f.orig)
	*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(unsafe.Pointer(&ours.FxWrite)) = diskWrite
	*(*func(*libc.TLS, uintptr, int64) int32)(unsafe.Pointer(&ours.FxTruncate)) = diskTruncate
	*(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&ours.FxSync)) = diskSync
	*(*func(*libc.TLS, uintptr) int32)(unsafe.Pointer(&ours.FxClose)) = diskClose
	registry.Lock()
	defer registry.Unlock()
	registry.files[file] = f
	f.ours = at
	header.FpMethods = at
	return rc
}

// fails returns what a write or sync ends with, 0 for success.
func (f *openFile) fails() int32 {
	if only := f.disk.only.Load(); only != nil && only != f.name {
		return 0
	}
	return f.disk.fail.Load()
}

func diskWrite(tls *libc.TLS, file, buf uintptr, n int32, off int64) int32 {
	f := findFile(file)
	if rc := f.fails(); rc != 0 {
		return rc
	}
	f.disk.note(event{kind: write, file: f.name, off: off, data: bytes.Clone(libc.GoBytes(buf, int(n)))})
	return (*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(unsafe.Pointer(&f.orig.FxWrite)))(tls, file, buf, n, off)
}

func diskTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f := findFile(file)
	f.disk.note(event{kind: truncate, file: f.name, off: size})
	return (*(*func(*libc.TLS, uintptr, int64) int32)(unsafe.Pointer(&f.orig.FxTruncate)))(tls, file, size)
}

func diskSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := findFile(file)
	if rc := f.fails(); rc != 0 {
		return rc
	}
	rc := (*(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&f.orig.FxSync)))(tls, file, flags)
	f.disk.note(event{kind: sync_, file: f.name})
	return rc
}

func diskClose(tls *libc.TLS, file uintptr) int32 {
	f := findFile(file)
	registry.Lock()
	delete(registry.files, file)
	registry.Unlock()
	rc := (*(*func(*libc.TLS, uintptr) int32)(unsafe.Pointer(&f.orig.FxClose)))(tls, file)
	libc.Xfree(tls, f.ours)
	return rc
}

func diskDelete(tls *libc.TLS, vfs, name uintptr, dirSync int32) int32 {
	l := findLayer(vfs)
	l.disk.note(event{kind: remove, file: filepath.Base(libc.GoString(name))})
	return (*(*func(*libc.TLS, uintptr, uintptr, int32) int32)(unsafe.Pointer(&l.orig.FxDelete)))(tls, vfs, name, dirSync)
}

// copyFiles copies what is in a state directory, lock included.
func copyFiles(t testing.TB, from, to string) {
	t.Helper()
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(from, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, n.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
