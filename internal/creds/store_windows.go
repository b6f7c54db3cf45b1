package creds

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A privateDir is a directory that only this process's user, the system and
// the administrators can enter.
type privateDir struct{ path string }

// openPrivateDir checks the directory, or creates it.
func openPrivateDir(path string, create bool) (*privateDir, error) {
	if create {
		if err := makePrivateDir(path); err != nil {
			return nil, err
		}
	}
	h, err := createFile(path, windows.READ_CONTROL|windows.FILE_READ_ATTRIBUTES, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS, nil)
	if err != nil {
		return nil, err
	}
	defer windows.CloseHandle(h)
	info, err := checkHandle(h)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY == 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errCacheNotPlain}
	}
	return &privateDir{path}, nil
}

func makePrivateDir(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	sa, err := privateAttributes("OICI")
	if err != nil {
		return err
	}
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	if err := windows.CreateDirectory(p, sa); err != nil && !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

func (d *privateDir) close() {}

// read returns a file's content, unless it is anything but a regular file of
// this user or the administrators of up to limit bytes.
func (d *privateDir) read(name string, limit int64) ([]byte, error) {
	h, err := createFile(filepath.Join(d.path, name), windows.GENERIC_READ, windows.OPEN_EXISTING, 0, nil)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(h), name)
	defer f.Close()
	info, err := checkHandle(h)
	if err != nil {
		return nil, err
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 || info.NumberOfLinks != 1 {
		return nil, errCacheNotPlain
	}
	if int64(info.FileSizeHigh)<<32|int64(info.FileSizeLow) > limit {
		return nil, errCacheDamaged
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

const tempPrefix = ".tmp-"

// replace makes data a file's content; after a crash it is that or the former,
// whole. step hears what is done next.
func (d *privateDir) replace(name string, data []byte, step func(string)) (err error) {
	d.removeTemps()
	sa, err := privateAttributes("")
	if err != nil {
		return err
	}
	temp := filepath.Join(d.path, tempPrefix+rand.Text())
	step("create")
	h, err := createFile(temp, windows.GENERIC_WRITE, windows.CREATE_NEW, 0, sa)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(h), temp)
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	step("write")
	_, err = f.Write(data)
	if err == nil {
		step("sync")
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	step("rename")
	if err = moveOver(temp, filepath.Join(d.path, name)); err != nil {
		return fmt.Errorf("rename cache file: %w", err)
	}
	step("done")
	return nil
}

// moveOver renames, again for a moment while scanners hold the target open.
func moveOver(from, to string) error {
	f, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	t, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := windows.MoveFileEx(f, t, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
		busy := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !busy || try == 20 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// removeTemps removes what a crash has left. The lock is held.
func (d *privateDir) removeTemps() {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			_ = os.Remove(filepath.Join(d.path, e.Name()))
		}
	}
}

func (d *privateDir) remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

// tryLock locks the named file, which is never removed, against every other
// process and every other caller in this one.
func (d *privateDir) tryLock(name string) (unlock func(), free bool, err error) {
	sa, err := privateAttributes("")
	if err != nil {
		return nil, false, err
	}
	h, err := createFile(filepath.Join(d.path, name), windows.GENERIC_READ|windows.GENERIC_WRITE, windows.OPEN_ALWAYS, 0, sa)
	if err != nil {
		return nil, false, err
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(h, flags, 0, 1, 0, new(windows.Overlapped)); err != nil {
		_ = windows.CloseHandle(h)
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
			return nil, false, nil
		}
		return nil, false, err
	}
	return func() { _ = windows.CloseHandle(h) }, true, nil
}

// createFile opens a file without following a reparse point.
func createFile(path string, access, mode, flags uint32, sa *windows.SecurityAttributes) (windows.Handle, error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h, err := windows.CreateFile(p, access, share, sa, mode, flags|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return h, nil
}

// checkHandle refuses reparse points, devices, and what another user owns who
// is neither the system nor an administrator.
func checkHandle(h windows.Handle) (*windows.ByHandleFileInformation, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return nil, errCacheNotPlain
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		return nil, errCacheNotPlain
	}
	sd, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return nil, err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return nil, err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	if !owner.Equals(user.User.Sid) && !owner.IsWellKnown(windows.WinLocalSystemSid) &&
		!owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		return nil, errCacheNotOurs
	}
	return &info, nil
}

// privateAttributes give a new file or directory to this user, the system and
// the administrators, whatever its parent says. inherit is that of the entries.
func privateAttributes(inherit string) (*windows.SecurityAttributes, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	sddl := "D:P"
	for _, who := range []string{user.User.Sid.String(), "SY", "BA"} {
		sddl += "(A;" + inherit + ";FA;;;" + who + ")"
	}
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return nil, err
	}
	return &windows.SecurityAttributes{Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: sd}, nil
}

// seal encrypts data for this user of this machine. The entropy keeps what
// other programs sealed from being taken for ours, and the reverse.
func seal(data []byte, machine string) ([]byte, error) {
	var out windows.DataBlob
	err := windows.CryptProtectData(blob(data), nil, entropy(machine), 0, nil, windows.CRYPTPROTECT_UI_FORBIDDEN, &out)
	if err != nil {
		return nil, fmt.Errorf("seal credential: %w", err)
	}
	return take(out), nil
}

// unseal reverses seal.
func unseal(data []byte, machine string) ([]byte, error) {
	if len(data) == 0 {
		return nil, errCacheDamaged
	}
	var out windows.DataBlob
	err := windows.CryptUnprotectData(blob(data), nil, entropy(machine), 0, nil, windows.CRYPTPROTECT_UI_FORBIDDEN, &out)
	if err != nil {
		return nil, fmt.Errorf("unseal credential: %w", err)
	}
	return take(out), nil
}

func entropy(machine string) *windows.DataBlob { return blob([]byte("osssync|" + machine)) }

func blob(b []byte) *windows.DataBlob {
	return &windows.DataBlob{Size: uint32(len(b)), Data: unsafe.SliceData(b)}
}

// take copies what the system allocated, clears it and gives it back.
func take(b windows.DataBlob) []byte {
	theirs := unsafe.Slice(b.Data, b.Size)
	ours := append([]byte(nil), theirs...)
	clear(theirs)
	_, _ = windows.LocalFree(windows.Handle(unsafe.Pointer(b.Data)))
	return ours
}
