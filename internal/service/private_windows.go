package service

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
)

// SID returns the security identifier of the service's own account. Windows
// derives it from the name, so it is known before the service is there.
func SID() string { return sidOf(Name) }

func sidOf(service string) string {
	var name []byte
	for _, c := range utf16.Encode([]rune(strings.ToUpper(service))) {
		name = binary.LittleEndian.AppendUint16(name, c)
	}
	sum := sha1.Sum(name) // as Windows does it; nothing secret rests on it
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}

// privateSDDL is the access list of the directory of state and configuration:
// the system, the administrators and the service, and nobody who inherits from
// ProgramData, where every user may create files.
func privateSDDL(also string) string {
	list := "D:PAI"
	for _, who := range []string{"SY", "BA", SID(), also} {
		if who != "" {
			list += "(A;OICI;FA;;;" + who + ")"
		}
	}
	return list
}

// MakePrivateDir makes a directory that only the system, the administrators,
// the service and the user of this process can enter. One that is there already
// is left as it is.
func MakePrivateDir(path string) error {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(privateSDDL(user.User.Sid.String()))
	if err != nil {
		return err
	}
	sa := &windows.SecurityAttributes{Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: sd}
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	if err := windows.CreateDirectory(p, sa); err != nil && !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// SecureDir makes the directory of the service, or takes what others inherited
// away from one that is there, and makes it the administrators'. One that
// somebody else made is refused: every user may make directories in ProgramData,
// and who made this one could have put a configuration into it.
func SecureDir(path string) error {
	if err := MakePrivateDir(path); err != nil {
		return err
	}
	if err := checkMakers(path); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString("O:BA" + privateSDDL(""))
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, owner, nil, dacl, nil)
	if err != nil {
		return &fs.PathError{Op: "set access of", Path: path, Err: err}
	}
	return nil
}

// ErrStranger means that a user made what is to be the service's.
var ErrStranger = errors.New("made by somebody who is not an administrator, or a link")

// checkMakers refuses a directory that a stranger made, and, unless it has been
// closed to others since, one in which there is a stranger's file.
func checkMakers(dir string) error {
	closed, err := checkMaker(dir)
	if err != nil || closed {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = checkMaker(path)
		}
		return err
	})
}

// checkMaker refuses a link, and what belongs to anyone but the system, the
// administrators, the service and the user of this process. closed says that
// the access list takes nothing over from the directory above.
func checkMaker(path string) (closed bool, err error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return false, err
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h, err := windows.CreateFile(p, windows.READ_CONTROL|windows.FILE_READ_ATTRIBUTES, share, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return false, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer windows.CloseHandle(h)
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	sd, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return false, &fs.PathError{Op: "access of", Path: path, Err: err}
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return false, &fs.PathError{Op: "owner of", Path: path, Err: err}
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 || !isOurs(owner) {
		return false, &fs.PathError{Op: "use", Path: path, Err: ErrStranger}
	}
	control, _, err := sd.Control()
	return control&windows.SE_DACL_PROTECTED != 0, err
}

// isOurs reports whether what a user makes may be trusted.
func isOurs(owner *windows.SID) bool {
	if owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.String() == SID() {
		return true
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	return err == nil && owner.Equals(user.User.Sid)
}
