package upload

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/state"
)

const openFlags = 0

type system struct{}

func newSystem(*os.File) system { return system{} }

// open opens path by os.Root, which lets others read, write, rename and
// delete the file while it is open.
func (t *Tree) open(path string) (*os.File, error) { return t.openRoot(path) }

func (t *Tree) lstat(path string) (info, error) {
	f, err := t.openRoot(path)
	if err != nil {
		return info{}, err
	}
	defer f.Close()
	return fstat(f)
}

// writers opens the file once more, denying writers: that fails while one is
// there. The handle is closed at once, for a program that opens the file for
// writing in between is refused.
func (t *Tree) writers(f *os.File, _ uint64) Writers {
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
func (t *Tree) grain(*os.File, uint64) time.Duration { return 32 * time.Millisecond }

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

func fstat(f *os.File) (info, error) {
	h := windows.Handle(f.Fd())
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
	const special = windows.FILE_ATTRIBUTE_REPARSE_POINT | windows.FILE_ATTRIBUTE_DEVICE
	in := info{
		Version: state.Version{Size: std.size, MTime: unixNano(basic.write), CTime: unixNano(basic.change)},
		mode:    mode,
		regular: !std.dir && basic.attributes&special == 0,
	}
	var err error
	in.device, in.FileID, err = identify(h)
	return in, err
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
	return errors.Is(err, windows.ERROR_PATH_NOT_FOUND) || errors.Is(err, syscall.ENOTDIR)
}

func isLink(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, windows.ERROR_CANT_ACCESS_FILE)
}

func isShared(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }
