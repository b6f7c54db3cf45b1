package winfile

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// ErrLink means that an element of a path is a symbolic link or a junction.
var ErrLink = errors.New("a link, which is not followed")

// Open opens path, with / separators, below the open directory dir. It follows
// no link in any element, and finds nothing under a name that differs from the
// one in the directory, which gives an error that wraps [fs.ErrNotExist]. Others
// may read, write, rename and delete the file while it is open. The options are
// those of NtCreateFile, besides the ones that every file needs.
func Open(dir windows.Handle, path string, access, options uint32) (windows.Handle, error) {
	if !fs.ValidPath(path) || strings.ContainsAny(path, `\:`) {
		return 0, fs.ErrInvalid
	}
	relative := filepath.FromSlash(path)
	if path == "." {
		relative = "" // as NT calls the directory itself
	}
	name, err := windows.NewNTUnicodeString(relative)
	if err != nil {
		return 0, err
	}
	oa := windows.OBJECT_ATTRIBUTES{
		RootDirectory: dir,
		ObjectName:    name,
		Attributes:    windows.OBJ_CASE_INSENSITIVE | windows.OBJ_DONT_REPARSE,
	}
	oa.Length = uint32(unsafe.Sizeof(oa))
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	const always = windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_OPEN_FOR_BACKUP_INTENT
	var h windows.Handle
	var iosb windows.IO_STATUS_BLOCK
	err = windows.NtCreateFile(&h, access|windows.SYNCHRONIZE, &oa, &iosb, nil, 0, share, windows.FILE_OPEN, always|options, 0, 0)
	if err != nil {
		return 0, explain(err)
	}
	if path != "." && !IsNamed(h, path) {
		windows.CloseHandle(h)
		return 0, fs.ErrNotExist
	}
	return h, nil
}

func explain(err error) error {
	status, ok := err.(windows.NTStatus)
	if !ok {
		return err
	}
	switch status {
	case windows.STATUS_REPARSE_POINT_ENCOUNTERED:
		return ErrLink
	case windows.STATUS_DELETE_PENDING: // it goes when the last who has it open closes it
		return fs.ErrNotExist
	}
	return status.Errno()
}

// IsNamed reports whether the elements of path, with / separators, are the last
// ones of an open file's own path, to the letter. Where a file system cannot
// tell its path, it says yes.
func IsNamed(h windows.Handle, path string) bool {
	name, err := finalName(h)
	if err != nil {
		return true
	}
	same, _ := compare(name, path)
	return same
}

// IsFolded reports whether the elements of path are the last ones of an open
// file's own path but for the case of letters.
func IsFolded(h windows.Handle, path string) bool {
	name, err := finalName(h)
	if err != nil {
		return false
	}
	same, folded := compare(name, path)
	return folded && !same
}

// compare compares the last elements of name with those of path. Dots and spaces
// at the end of an element do not count, for Win32 cuts them from some answers.
func compare(name, path string) (same, folded bool) {
	have, want := strings.Split(name, `\`), strings.Split(path, "/")
	if len(have) < len(want) {
		return false, false
	}
	have = have[len(have)-len(want):]
	same, folded = true, true
	for i := range want {
		h, w := strings.TrimRight(have[i], ". "), strings.TrimRight(want[i], ". ")
		same = same && h == w
		folded = folded && strings.EqualFold(h, w)
	}
	return same, folded
}

// finalName returns the path by which Windows knows an open file.
func finalName(h windows.Handle) (string, error) {
	const volumeNameNone = 4 // without the drive
	buf := make([]uint16, 512)
	for {
		n, err := windows.GetFinalPathNameByHandle(h, &buf[0], uint32(len(buf)), volumeNameNone)
		if err != nil {
			return "", err
		}
		if int(n) < len(buf) {
			return windows.UTF16ToString(buf[:n]), nil
		}
		buf = make([]uint16, n+1)
	}
}

// Long returns the form of an absolute path in which Win32 neither limits its
// length nor changes any name in it.
func Long(path string) string {
	switch {
	case strings.HasPrefix(path, `\\?\`), strings.HasPrefix(path, `\\.\`):
		return path
	case strings.HasPrefix(path, `\\`):
		return `\\?\UNC` + path[1:]
	}
	return `\\?\` + path
}

// Rename gives an open file, which needs the right to delete it, a path where
// there is nothing yet.
func Rename(h windows.Handle, to string) error {
	name, err := windows.UTF16FromString(Long(to))
	if err != nil {
		return err
	}
	var info struct { // FILE_RENAME_INFO
		replace uint32
		root    windows.Handle
		length  uint32 // bytes, without the NUL
		name    [windows.MAX_LONG_PATH]uint16
	}
	if copy(info.name[:], name) < len(name) {
		return windows.ERROR_FILENAME_EXCED_RANGE
	}
	info.length = uint32(2 * (len(name) - 1))
	return windows.SetFileInformationByHandle(h, windows.FileRenameInfo, (*byte)(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
}

// tagDedup is IO_REPARSE_TAG_DEDUP.
const tagDedup = 0x80000013

// IsHere reports whether a file of these attributes and this reparse tag has its
// content on its volume: it is no link, no device, and not kept in some cloud and
// fetched when it is read. A deduplicated file is a reparse point too, but reads
// like any other.
func IsHere(attributes, tag uint32) bool {
	const elsewhere = windows.FILE_ATTRIBUTE_DEVICE | windows.FILE_ATTRIBUTE_OFFLINE |
		windows.FILE_ATTRIBUTE_RECALL_ON_OPEN | windows.FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS
	return attributes&elsewhere == 0 && (attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT == 0 || tag == tagDedup)
}

// IsLink reports whether a reparse point of this tag stands for something else:
// a symbolic link or a junction, in contrast to a file or directory that is
// merely stored in another way.
func IsLink(attributes, tag uint32) bool {
	const nameSurrogate = 0x20000000
	return attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 && tag&nameSurrogate != 0
}
