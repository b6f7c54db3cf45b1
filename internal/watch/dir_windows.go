package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A root is the open root directory of a scan. [os.Root] opens all below it,
// so that no link leads out of the tree; it also copes with long paths.
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

func (r *root) close() { r.root.Close() }

// open opens a directory below the root, without following a link in the last
// element unless the root follows links.
func (r *root) open(path string) (*directory, error) {
	name := "."
	if path != "" {
		name = filepath.FromSlash(path)
		if isDir, err := r.kindOf(path); err != nil {
			return nil, err
		} else if !isDir {
			return nil, &fs.PathError{Op: "open", Path: path, Err: windows.ERROR_DIRECTORY}
		}
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY == 0 {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: windows.ERROR_DIRECTORY}
	}
	return &directory{
		f:    f,
		path: path,
		id: Identity{
			Device: uint64(info.VolumeSerialNumber),
			FileID: [2]uint64{uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)},
		},
		mtime: info.LastWriteTime.Nanoseconds(),
	}, nil
}

func (d *directory) close() { d.f.Close() }

// dirInfo is FILE_ID_BOTH_DIR_INFO up to the name, which follows it.
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
	tag        uint32 // of a reparse point, else the size of extended attributes
	_          uint32 // length of the short name
	_          [24]byte
	fileID     uint64
	nameStart  [1]uint16
}

// nameSurrogate is the bit of a reparse tag that makes it a link of some kind,
// in contrast to a file that is merely stored in another way.
const nameSurrogate = 0x20000000

// notHere are the attributes of a file whose content is in some cloud, and
// would be fetched if it were read.
const notHere = windows.FILE_ATTRIBUTE_OFFLINE | windows.FILE_ATTRIBUTE_RECALL_ON_OPEN | windows.FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS

// entries reads the directory into r.l: names, sizes, times and file ids at
// once, without opening any file.
func (r *reader) entries(root *root, d *directory) error {
	if len(r.buf) < 64<<10 {
		r.buf = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(make([]uint64, 8<<10)))), 64<<10) // aligned
	}
	for {
		err := windows.GetFileInformationByHandleEx(windows.Handle(d.f.Fd()), windows.FileIdBothDirectoryInfo, &r.buf[0], uint32(len(r.buf)))
		if errors.Is(err, windows.ERROR_NO_MORE_FILES) {
			return nil
		} else if err != nil {
			return &fs.PathError{Op: "read", Path: d.path, Err: err}
		}
		for b := r.buf; ; {
			info := (*dirInfo)(unsafe.Pointer(&b[0]))
			name := windows.UTF16ToString(unsafe.Slice(&info.nameStart[0], info.nameLength/2))
			if name != "." && name != ".." && !strings.HasPrefix(name, cookiePrefix) {
				r.entry(root, d, name, info)
			}
			if info.next == 0 {
				break
			}
			b = b[info.next:]
		}
	}
}

func (r *reader) entry(root *root, d *directory, name string, info *dirInfo) {
	isDir := info.attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0
	isLink := info.attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 && info.tag&nameSurrogate != 0
	f := File{
		Name:   name,
		Size:   info.size,
		MTime:  fileTime(info.lastWrite),
		CTime:  fileTime(info.change),
		FileID: [2]uint64{info.fileID},
	}
	switch {
	case isLink && root.follow && !isDir:
		if !root.target(join(d.path, name), &f) {
			r.l.Special++
			return
		}
		r.l.Files = append(r.l.Files, f)
	case isLink || info.attributes&notHere != 0 && !isDir:
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
	f.FileID = [2]uint64{uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}
	return true
}

// fileTime converts a time in units of 100 ns since 1601.
func fileTime(t int64) int64 {
	ft := windows.Filetime{LowDateTime: uint32(t), HighDateTime: uint32(t >> 32)}
	return ft.Nanoseconds()
}

// kindOf looks at a path without following a link in its last element.
func (r *root) kindOf(path string) (isDir bool, err error) {
	fi, err := r.root.Lstat(filepath.FromSlash(path))
	if err != nil {
		return false, err
	}
	return fi.Mode()&(fs.ModeDir|fs.ModeSymlink|fs.ModeIrregular) == fs.ModeDir, nil
}

// isGone reports whether an error of open means that there is no such
// directory, in contrast to one that cannot be read.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, windows.ERROR_DIRECTORY)
}
