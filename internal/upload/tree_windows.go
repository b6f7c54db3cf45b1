package upload

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/winfile"
)

const openFlags = 0

type system struct{}

func newSystem(*os.File) system { return system{} }

// open opens path so that others may read, write, rename and delete the file
// while it is open.
func (t *Tree) open(path string) (handle, error) {
	h, err := t.openNamed(path, windows.FILE_GENERIC_READ)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

// lstat opens path for no more than its attributes. A file that its writer
// shares with nobody can be looked at in that way, so that one which did not
// change is left alone however long it is kept open.
func (t *Tree) lstat(path string) (info, error) {
	h, err := t.openNamed(path, windows.FILE_READ_ATTRIBUTES)
	if err != nil {
		return info{}, err
	}
	defer windows.CloseHandle(h)
	return statHandle(h)
}

// openNamed opens what has just this name; see [winfile.Open].
func (t *Tree) openNamed(path string, access uint32) (windows.Handle, error) {
	if t.follow {
		return t.openFollowing(path)
	}
	return winfile.Open(windows.Handle(t.dir.Fd()), path, access, 0)
}

// openFollowing opens path by os.Root, which follows links inside the root. A
// link leads to other names, but not to the same one in another case.
func (t *Tree) openFollowing(path string) (windows.Handle, error) {
	f, err := t.root.OpenFile(filepath.FromSlash(path), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if winfile.IsFolded(windows.Handle(f.Fd()), path) {
		return 0, fs.ErrNotExist
	}
	var h windows.Handle
	self := windows.CurrentProcess()
	err = windows.DuplicateHandle(self, windows.Handle(f.Fd()), self, &h, 0, false, windows.DUPLICATE_SAME_ACCESS)
	return h, err
}

// timesLag: NTFS takes the time of a write over from the writer's handle when
// that is closed, so a version that did not change proves little while a writer
// may be there, however long ago the file was last changed.
const timesLag = true

// writers does not ask: the one way to learn of a writer is to deny writing for
// a moment, and a program that opens its file in that moment is refused.
func (t *Tree) writers(handle, uint64) Writers { return Unknown }

// lastWriters asks all the same, by opening the file once more while denying
// writers, since what is written after this look would be lost with the file.
func (t *Tree) lastWriters(f handle, _ uint64) Writers {
	var name windows.NTUnicodeString // empty: the file of RootDirectory itself
	oa := windows.OBJECT_ATTRIBUTES{RootDirectory: windows.Handle(f.Fd()), ObjectName: &name}
	oa.Length = uint32(unsafe.Sizeof(oa))
	var h windows.Handle
	var iosb windows.IO_STATUS_BLOCK
	err := windows.NtCreateFile(&h, windows.FILE_READ_DATA|windows.SYNCHRONIZE, &oa, &iosb, nil, 0,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE, windows.FILE_OPEN,
		windows.FILE_SYNCHRONOUS_IO_NONALERT|windows.FILE_NON_DIRECTORY_FILE, 0, 0)
	switch {
	case err == nil:
		windows.CloseHandle(h)
		return NoWriter
	case errors.Is(err, windows.STATUS_SHARING_VIOLATION):
		return Writing
	default:
		return Unknown
	}
}

// grain is two ticks of the system clock, from which NTFS takes its times.
func (t *Tree) grain(handle, uint64) time.Duration { return 32 * time.Millisecond }

// basicInfo, standardInfo and idInfo are FILE_BASIC_INFO, FILE_STANDARD_INFO
// and FILE_ID_INFO.
type basicInfo struct {
	creation, access, write, change int64 // 100 ns since 1601
	attributes                      uint32
	_                               uint32
}

type standardInfo struct {
	allocation, size int64 // bytes
	links            uint32
	deleting, dir    bool
}

type idInfo struct {
	volume uint64
	id     [16]byte
}

func fstat(f handle) (info, error) { return statHandle(windows.Handle(f.Fd())) }

func statHandle(h windows.Handle) (info, error) {
	var basic basicInfo
	var std standardInfo
	if err := query(h, windows.FileBasicInfo, unsafe.Pointer(&basic), unsafe.Sizeof(basic)); err != nil {
		return info{}, err
	}
	if err := query(h, windows.FileStandardInfo, unsafe.Pointer(&std), unsafe.Sizeof(std)); err != nil {
		return info{}, err
	}
	mode := fs.FileMode(0o666)
	if basic.attributes&windows.FILE_ATTRIBUTE_READONLY != 0 {
		mode = 0o444
	}
	in := info{
		Version: state.Version{Size: std.size, MTime: unixNano(basic.write), CTime: unixNano(basic.change)},
		mode:    mode,
		regular: !std.dir && isHere(h, basic.attributes),
	}
	var err error
	in.device, in.FileID, err = identify(h)
	return in, err
}

// isHere asks for the reparse tag that [winfile.IsHere] has to know.
func isHere(h windows.Handle, attributes uint32) bool {
	var tag struct{ attributes, tag uint32 } // FILE_ATTRIBUTE_TAG_INFO
	if attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 &&
		query(h, windows.FileAttributeTagInfo, unsafe.Pointer(&tag), unsafe.Sizeof(tag)) != nil {
		return false
	}
	return winfile.IsHere(attributes, tag.tag)
}

// identify returns a file's volume and number; file systems without 128-bit
// numbers have 64-bit ones.
func identify(h windows.Handle) (uint64, state.FileID, error) {
	var id idInfo
	if query(h, windows.FileIdInfo, unsafe.Pointer(&id), unsafe.Sizeof(id)) == nil {
		return id.volume, state.FileID{binary.LittleEndian.Uint64(id.id[:8]), binary.LittleEndian.Uint64(id.id[8:])}, nil
	}
	var by windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &by); err != nil {
		return 0, state.FileID{}, err
	}
	return uint64(by.VolumeSerialNumber), state.FileID{uint64(by.FileIndexHigh)<<32 | uint64(by.FileIndexLow)}, nil
}

func query(h windows.Handle, class uint32, p unsafe.Pointer, size uintptr) error {
	return windows.GetFileInformationByHandleEx(h, class, (*byte)(p), uint32(size))
}

// unixNano converts 100 ns ticks since 1601 to nanoseconds since 1970.
func unixNano(ticks int64) int64 { return (ticks - 116444736000000000) * 100 }

func isNotDir(err error) bool {
	return errors.Is(err, windows.ERROR_PATH_NOT_FOUND) || errors.Is(err, windows.ERROR_DIRECTORY) || errors.Is(err, syscall.ENOTDIR)
}

func isLink(err error) bool {
	return errors.Is(err, winfile.ErrLink) || errors.Is(err, syscall.ELOOP) || errors.Is(err, windows.ERROR_CANT_ACCESS_FILE)
}

// isShared reports whether another program denies reading: all of the file, or
// the part that it locked.
func isShared(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}
