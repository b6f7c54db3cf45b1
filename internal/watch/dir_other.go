//go:build !linux && !windows

package watch

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A root is the open root directory of a scan. [os.Root] opens all below it.
type root struct {
	root   *os.Root
	id     Identity
	follow bool
}

// A directory is an open directory below a root.
type directory struct {
	f     *os.File
	path  string
	id    Identity
	mtime int64
}

// A scratch is of use elsewhere.
type scratch struct{}

func newScratch() scratch { return scratch{} }

func openRoot(path string, follow bool) (*root, error) {
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	root := &root{root: r, follow: follow}
	d, err := root.open("")
	if err != nil {
		r.Close()
		return nil, err
	}
	defer d.close()
	root.id = d.id
	return root, nil
}

// whole returns which directory the root is.
func (r *root) whole() Identity { return r.id }

func (r *root) close() { r.root.Close() }

// open opens a directory below the root, without following a link in the last
// element.
func (r *root) open(path string) (*directory, error) {
	name := "."
	if path != "" {
		name = path
		if isDir, err := r.kindOf(path); err != nil {
			return nil, err
		} else if !isDir {
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
		}
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	id := Identity{Device: uint64(st.Dev), FileID: [2]uint64{uint64(st.Ino)}}
	return &directory{f: f, path: path, id: id, mtime: unix.TimespecToNsec(st.Mtim)}, nil
}

func (d *directory) close() { d.f.Close() }

// entries reads the directory into r.l.
func (r *reader) entries(root *root, d *directory) error {
	names, err := d.f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, cookiePrefix) {
			continue
		}
		var st unix.Stat_t
		flags := unix.AT_SYMLINK_NOFOLLOW
		err := unix.Fstatat(int(d.f.Fd()), name, &st, flags)
		if errors.Is(err, unix.ENOENT) {
			continue // deleted since
		} else if err != nil {
			return &fs.PathError{Op: "stat", Path: join(d.path, name), Err: err}
		}
		r.entry(root, d, name, &st)
	}
	return nil
}

func (r *reader) entry(root *root, d *directory, name string, st *unix.Stat_t) {
	if st.Mode&unix.S_IFMT == unix.S_IFLNK && root.follow {
		// Links to directories are not followed here.
		if f, err := root.root.Open(join(d.path, name)); err == nil {
			defer f.Close()
			if unix.Fstat(int(f.Fd()), st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				st.Mode = unix.S_IFLNK
			}
		}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		r.l.Files = append(r.l.Files, File{
			Name:   name,
			Size:   st.Size,
			MTime:  unix.TimespecToNsec(st.Mtim),
			CTime:  unix.TimespecToNsec(st.Ctim),
			FileID: [2]uint64{uint64(st.Ino)},
			Mode:   uint32(st.Mode) & 0o7777,
		})
	case unix.S_IFDIR:
		r.l.Dirs = append(r.l.Dirs, name)
	default:
		r.l.Special++
	}
}

// kindOf looks at a path without following a link in its last element.
func (r *root) kindOf(path string) (isDir bool, err error) {
	fi, err := r.root.Lstat(path)
	return err == nil && fi.IsDir(), err
}

// isGone reports whether an error of open means that there is no such
// directory, in contrast to one that cannot be read.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}
