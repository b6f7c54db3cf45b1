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
// away from one that is there.
func SecureDir(path string) error {
	if err := MakePrivateDir(path); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(privateSDDL(""))
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
	if err != nil {
		return &fs.PathError{Op: "set access of", Path: path, Err: err}
	}
	return nil
}
