package upload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/volume"
)

// A Tree is an open source directory. Every file is reached through its
// handle, so no path and no symbolic link leads out of it, and a directory
// that takes its place later is not mistaken for it. Safe for concurrent use.
type Tree struct {
	path   string
	root   *os.Root
	dir    *os.File // the same directory, for calls that os.Root lacks
	follow bool
	system // what a platform adds
}

// OpenTree opens the directory root. With followSymlinks, relative symbolic
// links that stay inside it are followed; otherwise a path that leads through
// one is not a regular file.
func OpenTree(root string, followSymlinks bool) (*Tree, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, &FileError{"open", root, err}
	}
	r, err := os.OpenRoot(abs)
	if err != nil {
		return nil, &FileError{"open", root, cause(err)}
	}
	dir, err := r.Open(".")
	if err != nil {
		r.Close()
		return nil, &FileError{"open", root, cause(err)}
	}
	t := &Tree{path: abs, root: r, dir: dir, follow: followSymlinks}
	t.system = newSystem(dir)
	return t, nil
}

// Close closes the directory. Files that were opened stay open.
func (t *Tree) Close() error { return errors.Join(t.dir.Close(), t.root.Close()) }

// Identity returns which directory was opened, wherever its path leads now.
func (t *Tree) Identity() (state.Identity, error) {
	in, err := fstat(t.dir)
	if err != nil {
		return state.Identity{}, &FileError{"stat", t.path, cause(err)}
	}
	id := state.Identity{Device: in.device, FileID: in.FileID}
	id.FileID[1] ^= volume.ID(int(t.dir.Fd()))
	return id, nil
}

// Present returns an error that wraps [ErrRootChanged] unless the tree's path
// still leads to the directory that was opened.
func (t *Tree) Present() error {
	opened, err := t.dir.Stat()
	if err != nil {
		return &FileError{"stat", t.path, cause(err)}
	}
	now, err := os.Stat(t.path)
	if err != nil {
		return &FileError{"stat", t.path, fmt.Errorf("%w: %w", ErrRootChanged, cause(err))}
	}
	if !os.SameFile(opened, now) {
		return &FileError{"stat", t.path, ErrRootChanged}
	}
	return nil
}

// Stat returns the version of the regular file at path. Errors are
// *FileError, with [ErrVanished] or [ErrNotRegular] where they apply.
func (t *Tree) Stat(path string) (state.Version, error) {
	in, err := t.lstat(path)
	if err == nil && !in.regular {
		err = ErrNotRegular
	}
	if err != nil {
		return state.Version{}, &FileError{"stat", path, t.explain(err)}
	}
	return in.Version, nil
}

// Open opens the regular file at path for reading and takes a first look at
// it. It never blocks: a FIFO is no regular file, and a file on which another
// program holds a lease gives [ErrBusy]. Programs may write, rename and delete
// the file meanwhile.
func (t *Tree) Open(path string) (*File, error) {
	file, err := t.open(path)
	if err != nil {
		return nil, &FileError{"open", path, t.explain(err)}
	}
	f := &File{file: file, tree: t, path: path, opened: time.Now()}
	if f.info, err = f.stat(); err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

// explain turns a system's error into a sentinel where one fits.
func (t *Tree) explain(err error) error {
	err = cause(err)
	switch {
	case errors.Is(err, fs.ErrNotExist), isNotDir(err):
		return ErrVanished
	case isLink(err), err.Error() == "path escapes from parent": // which os.Root has no name for
		return ErrNotRegular
	case isShared(err):
		return ErrBusy
	}
	return err
}

// onlyDirs fails with ErrNotRegular if an element of path is no directory.
func (t *Tree) onlyDirs(path string) error {
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		fi, err := t.root.Lstat(filepath.FromSlash(path[:i]))
		switch {
		case err != nil:
			return err
		case fi.Mode().IsRegular():
			return fs.ErrNotExist // there is nothing below a file
		case !fi.IsDir():
			return ErrNotRegular
		}
	}
	return nil
}

// cause strips the path that the FileError around it tells already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// split returns the directory of a path, "." for none, and its last element.
func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ".", path
	}
	return path[:i], path[i+1:]
}

// A handle is an open file of a system: *os.File or what costs less.
type handle interface {
	io.ReaderAt
	io.Closer
	Fd() uintptr
}

// info is what one look at an open file tells.
type info struct {
	state.Version
	device  uint64
	mode    fs.FileMode // permissions
	regular bool
}

// A Writers says whether a program has a file open for writing.
type Writers int

const (
	NoWriter Writers = iota
	Writing
	Unknown // the file system or our rights do not let us ask
)

// A File is an open file of a Tree. Not safe for concurrent use, but for
// ReadAt.
type File struct {
	info             // at the first look
	opened time.Time // just before it
	file   handle
	tree   *Tree
	path   string
}

var _ io.ReaderAt = (*File)(nil)

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// stat looks at the open file again.
func (f *File) stat() (info, error) {
	in, err := fstat(f.file)
	if err == nil && !in.regular {
		err = ErrNotRegular
	}
	if err != nil {
		return in, &FileError{"stat", f.path, cause(err)}
	}
	return in, nil
}

// Writers asks whether a program has the file open for writing. It neither
// blocks nor keeps anything that could make a program wait.
func (f *File) Writers() Writers { return f.tree.writers(f.file, f.device) }

// racy reports whether a write soon after the first look could have left the
// file with the version it had then, for the times of its file system are
// coarse. Where they tell any two writes apart, not even a clock that was set
// back since makes a difference.
func (f *File) racy() bool {
	grain := 2100 * time.Millisecond // whole seconds, or FAT's two
	if f.CTime%int64(time.Second) != 0 {
		grain = f.tree.grain(f.file, f.device)
	}
	return grain > 0 && f.opened.UnixNano()-f.CTime < int64(grain)
}
