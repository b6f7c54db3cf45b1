package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/winfile"
)

// A root is the open root directory of a scan. All below it is opened by its
// handle, so that no link leads out of the tree.
type root struct {
	root   *os.Root
	dir    *directory // the same
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

// A scratch is where Windows puts a directory's entries, aligned as it wants.
type scratch struct{ buf []byte }

func newScratch() scratch {
	const size = 64 << 10
	words := make([]uint64, size/8)
	return scratch{unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), size)}
}

func openRoot(path string, follow bool) (*root, error) {
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	root := &root{root: r, follow: follow}
	f, err := r.Open(".")
	if err == nil {
		root.dir, err = newDirectory(f, "")
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	root.id = root.dir.id
	return root, nil
}

// whole returns which directory the root is.
func (r *root) whole() Identity { return r.id }

func (r *root) close() {
	r.dir.close()
	r.root.Close()
}

// open opens a directory below the root by the name that it has, without
// following a link: a directory is told under one path only.
func (r *root) open(path string) (*directory, error) {
	name := path
	if name == "" {
		name = "."
	}
	h, err := winfile.Open(windows.Handle(r.dir.f.Fd()), name, windows.FILE_GENERIC_READ, windows.FILE_DIRECTORY_FILE)
	if errors.Is(err, winfile.ErrLink) {
		err = windows.ERROR_DIRECTORY
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return newDirectory(os.NewFile(uintptr(h), path), path)
}

func newDirectory(f *os.File, path string) (*directory, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY == 0 {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: windows.ERROR_DIRECTORY}
	}
	return &directory{f: f, path: path, id: identify(f, &info), mtime: info.LastWriteTime.Nanoseconds()}, nil
}

// identify returns a file's volume and number; a file system without numbers
// of 128 bits has some of 64.
func identify(f *os.File, info *windows.ByHandleFileInformation) Identity {
	var id struct {
		volume uint64
		file   [2]uint64
	}
	err := windows.GetFileInformationByHandleEx(windows.Handle(f.Fd()), windows.FileIdInfo,
		(*byte)(unsafe.Pointer(&id)), uint32(unsafe.Sizeof(id)))
	if err == nil {
		return Identity{Device: id.volume, FileID: id.file}
	}
	return Identity{
		Device: uint64(info.VolumeSerialNumber),
		FileID: [2]uint64{uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)},
	}
}

func (d *directory) close() { d.f.Close() }

// dirInfo is what FILE_ID_EXTD_DIR_INFO and FILE_ID_BOTH_DIR_INFO have in
// common. What follows differs; see dirClass.
type dirInfo struct {
	next       uint32 // offset of the next one, 0 for the last
	_          uint32
	creation   int64
	lastAccess int64
	lastWrite  int64
	change     int64
	size       int64
	allocation int64
	attributes uint32
	nameLength uint32 // bytes
	eaSize     uint32 // the reparse tag, in the older one
	tag        uint32 // in the newer one only
}

// A dirClass is a way to ask for a directory's entries, and where in each its
// file id and name are. Only the first gives the numbers of 128 bits that ReFS
// has; not every file system knows it.
type dirClass struct {
	class       uint32
	id, idSize  uintptr
	name        uintptr
	tagInEASize bool
}

var dirClasses = [...]dirClass{
	{windows.FileIdExtdDirectoryInfo, 72, 16, 88, false},
	{windows.FileIdBothDirectoryInfo, 96, 8, 104, true},
}

// entries reads the directory into r.l: names, sizes, times and file ids at
// once, without opening any file.
func (r *reader) entries(root *root, d *directory) error {
	class := 0
	for read := false; ; read = true {
		err := windows.GetFileInformationByHandleEx(windows.Handle(d.f.Fd()), dirClasses[class].class, &r.buf[0], uint32(len(r.buf)))
		switch {
		case errors.Is(err, windows.ERROR_NO_MORE_FILES):
			return nil
		case err != nil && !read && class == 0:
			class = 1
			continue
		case err != nil:
			return &fs.PathError{Op: "read", Path: d.path, Err: err}
		}
		for b := r.buf; ; {
			info := (*dirInfo)(unsafe.Pointer(&b[0]))
			r.entry(root, d, b, info, &dirClasses[class])
			if info.next == 0 {
				break
			}
			b = b[info.next:]
		}
	}
}

func (r *reader) entry(root *root, d *directory, b []byte, info *dirInfo, c *dirClass) {
	name := windows.UTF16ToString(unsafe.Slice((*uint16)(unsafe.Pointer(&b[c.name])), info.nameLength/2))
	if name == "." || name == ".." || strings.HasPrefix(name, cookiePrefix) {
		return
	}
	tag := info.tag
	if c.tagInEASize {
		tag = info.eaSize
	}
	isDir := info.attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0
	isLink := winfile.IsLink(info.attributes, tag)
	f := File{Name: name, Size: info.size, MTime: fileTime(info.lastWrite), CTime: fileTime(info.change)}
	f.FileID[0] = *(*uint64)(unsafe.Pointer(&b[c.id]))
	if c.idSize == 16 {
		f.FileID[1] = *(*uint64)(unsafe.Pointer(&b[c.id+8]))
	}
	switch {
	case isLink && root.follow && !isDir && root.target(join(d.path, name), &f):
		r.l.Files = append(r.l.Files, f)
	case isLink || !isDir && !winfile.IsHere(info.attributes, tag):
		r.l.Special++
	case isDir:
		r.l.Dirs = append(r.l.Dirs, name)
	default:
		r.l.Files = append(r.l.Files, f)
	}
}

// target fills in what a link to a file leads to. Links to directories are not
// followed on Windows.
func (r *root) target(path string, f *File) bool {
	h, err := r.root.Open(filepath.FromSlash(path))
	if err != nil {
		return false
	}
	defer h.Close()
	var info windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(h.Fd()), &info) != nil ||
		info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 {
		return false
	}
	f.Size = int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow)
	f.MTime = info.LastWriteTime.Nanoseconds()
	f.CTime = f.MTime
	f.FileID = identify(h, &info).FileID
	return true
}

// fileTime converts units of 100 ns since 1601 to nanoseconds since 1970.
func fileTime(t int64) int64 { return (t - 116444736000000000) * 100 }

// kindOf looks at a path without following a link.
func (r *root) kindOf(path string) (isDir bool, err error) {
	h, err := winfile.Open(windows.Handle(r.dir.f.Fd()), path, windows.FILE_READ_ATTRIBUTES, 0)
	if errors.Is(err, winfile.ErrLink) {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	defer windows.CloseHandle(h)
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0, nil
}

// isGone reports whether an error of open means that there is no such
// directory, in contrast to one that cannot be read.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, windows.ERROR_DIRECTORY)
}
