package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/volume"
)

// A root is the open root directory of a scan. All below is opened beneath
// it, so that no symbolic link, however it is swapped, leads out of the tree.
type root struct {
	fd      int
	id      Identity
	follow  bool
	resolve uint64 // for openat2
	manual  bool   // the kernel has no openat2, or a filter forbids it
}

// A directory is an open directory below a root.
type directory struct {
	fd    int
	path  string
	id    Identity
	mtime int64 // ns since 1970
}

// A scratch is where the kernel puts what it tells.
type scratch struct {
	buf     []byte // entries
	statx   unix.Statx_t
	noStatx bool
}

func newScratch() scratch { return scratch{buf: make([]byte, 32<<10)} }

const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_CLOEXEC

func openRoot(path string, follow bool) (*root, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, openDir, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	r := &root{fd: fd, follow: follow, resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if !follow {
		r.resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		r.close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	r.id = identity(&st)
	here, err := r.openat("", unix.O_PATH|unix.O_CLOEXEC)
	if err == unix.ENOSYS || err == unix.EPERM {
		r.manual = true
	} else if err == nil {
		unix.Close(here)
	}
	return r, nil
}

// whole returns which directory of which file system the root is.
func (r *root) whole() Identity {
	id := r.id
	id.FileID[1] = volume.ID(r.fd)
	return id
}

func (r *root) close() { unix.Close(r.fd) }

// open opens a directory below the root.
func (r *root) open(path string) (*directory, error) {
	fd, err := r.openat(path, openDir)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &directory{fd: fd, path: path, id: identity(&st), mtime: unix.TimespecToNsec(st.Mtim)}, nil
}

func (d *directory) close() { unix.Close(d.fd) }

func (r *root) openat(path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	if r.manual {
		return r.walk(path, flags)
	}
	how := unix.OpenHow{Flags: uint64(flags), Resolve: r.resolve}
	return retry(func() (int, error) { return unix.Openat2(r.fd, path, &how) })
}

// walk is openat2 for kernels before 5.6: one element after the other, none of
// which may be a symbolic link. Links are then not followed at all.
func (r *root) walk(path string, flags int) (int, error) {
	at := r.fd
	for {
		name, rest, more := strings.Cut(path, "/")
		f := flags | unix.O_NOFOLLOW
		if more {
			f = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		}
		fd, err := retry(func() (int, error) { return unix.Openat(at, name, f, 0) })
		if at != r.fd {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// entries reads the directory into r.l. The names of one read share a string,
// and the kernel is given them where it put them: nothing is allocated for a
// file.
func (r *reader) entries(root *root, d *directory) error {
	const header = int(unsafe.Offsetof(unix.Dirent{}.Name))
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(d.fd, r.buf) })
		if err != nil {
			return &fs.PathError{Op: "read", Path: d.path, Err: err}
		}
		if n == 0 {
			return nil
		}
		names := string(r.buf[:n])
		for at := 0; at < n; {
			b := r.buf[at:n]
			size := int(binary.NativeEndian.Uint16(b[unsafe.Offsetof(unix.Dirent{}.Reclen):]))
			kind := b[unsafe.Offsetof(unix.Dirent{}.Type)]
			raw := b[header:size]
			end := max(bytes.IndexByte(raw, 0), 0)
			name := names[at+header : at+header+end]
			at += size
			if name == "." || name == ".." || strings.HasPrefix(name, cookiePrefix) {
				continue
			} else if err := r.entry(root, d, name, raw[:end+1], kind); err != nil {
				return &fs.PathError{Op: "stat", Path: join(d.path, name), Err: err}
			}
		}
	}
}

func (r *reader) entry(root *root, d *directory, name string, raw []byte, kind byte) error {
	f := File{Name: name}
	mode := uint32(unix.S_IFCHR)
	switch kind {
	case unix.DT_DIR:
		r.l.Dirs = append(r.l.Dirs, name)
		return nil
	case unix.DT_REG, unix.DT_UNKNOWN:
		var err error
		mode, err = r.stat(d, &f, raw)
		if err == unix.ENOENT {
			return nil // deleted since
		} else if err != nil {
			return err
		}
	case unix.DT_LNK:
		mode = unix.S_IFLNK
	}
	if mode&unix.S_IFMT == unix.S_IFLNK && root.follow {
		st := root.target(join(d.path, name))
		mode = f.fill(&st)
	}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		r.l.Files = append(r.l.Files, f)
	case unix.S_IFDIR:
		r.l.Dirs = append(r.l.Dirs, name)
	default:
		r.l.Special++
	}
	return nil
}

// stat fills in a file of a directory, by its name and the NUL that ends it.
func (r *reader) stat(d *directory, f *File, raw []byte) (mode uint32, err error) {
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if !r.noStatx {
		stx := &r.statx
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(d.fd), uintptr(unsafe.Pointer(&raw[0])),
			flags, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(stx)), 0)
		switch errno {
		case 0:
			f.Size = int64(stx.Size)
			f.MTime = stx.Mtime.Sec*1e9 + int64(stx.Mtime.Nsec)
			f.CTime = stx.Ctime.Sec*1e9 + int64(stx.Ctime.Nsec)
			f.FileID[0] = stx.Ino
			f.Mode = uint32(stx.Mode) & 0o7777
			return uint32(stx.Mode), nil
		case unix.ENOSYS, unix.EPERM: // a kernel before 4.11, or a filter that does not know it
			r.noStatx = true
		default:
			return 0, errno
		}
	}
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, f.Name, &st, flags); err != nil {
		return 0, err
	}
	return f.fill(&st), nil
}

func (f *File) fill(st *unix.Stat_t) (mode uint32) {
	f.Size = st.Size
	f.MTime = unix.TimespecToNsec(st.Mtim)
	f.CTime = unix.TimespecToNsec(st.Ctim)
	f.FileID[0] = st.Ino
	f.Mode = st.Mode & 0o7777
	return st.Mode
}

// maxLinks bounds how many links to directories a path may go through: links
// that lead to one another would else give a tree without end.
const maxLinks = 4

// target returns what a symbolic link leads to: nothing where that is outside
// the root, not there, or a directory that holds the link.
func (r *root) target(path string) unix.Stat_t {
	var st, none unix.Stat_t
	if !r.statBeneath(path, &st) {
		return none
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return st
	}
	links := 1
	if identity(&st) == r.id {
		return none
	}
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		var up unix.Stat_t
		if !r.statBeneath(path[:i], &up) || identity(&up) == identity(&st) {
			return none
		}
		if err := unix.Fstatat(r.fd, path[:i], &up, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return none
		} else if up.Mode&unix.S_IFMT == unix.S_IFLNK {
			links++
		}
	}
	if links > maxLinks {
		return none
	}
	return st
}

func (r *root) statBeneath(path string, st *unix.Stat_t) bool {
	fd, err := r.openat(path, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st) == nil
}

// kindOf looks at a path without following a link in its last element, unless
// the root follows links.
func (r *root) kindOf(path string) (isDir bool, err error) {
	var st unix.Stat_t
	dir, name := split(path)
	fd, err := r.openat(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT); err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK && r.follow {
		st = r.target(path)
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}

// isGone reports whether an error of open means that there is no such
// directory, in contrast to one that cannot be read.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) ||
		errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EXDEV)
}

func identity(st *unix.Stat_t) Identity {
	return Identity{Device: uint64(st.Dev), FileID: [2]uint64{st.Ino}} //nolint:unconvert // 32 bits on some machines
}

// retry repeats a call that a signal, or a rename during openat2, interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR && err != unix.EAGAIN {
			return n, err
		}
	}
}
