//go:build unix && !aix && !solaris

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

	"golang.org/x/sys/unix"
)

var errCacheOpen = errors.New("others can enter it; mode 0700 is needed")

// A privateDir is a directory that only its owner, this process's user, can
// enter. All is done relative to its handle, so that nobody can put another
// in its place meanwhile.
type privateDir struct{ f *os.File }

// openPrivateDir opens the directory, or creates it. One that others can enter
// is refused, not closed to them: it may be there for something else.
func openPrivateDir(path string, create bool) (*privateDir, error) {
	if create {
		if err := makePrivateDir(path); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := &privateDir{os.NewFile(uintptr(fd), path)}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case int(st.Uid) != os.Geteuid():
		err = errCacheNotOurs
	case st.Mode&0o077 != 0:
		err = errCacheOpen
	}
	if err != nil {
		d.close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return d, nil
}

func makePrivateDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Chmod(path, 0o700) // whatever the umask took away
}

func (d *privateDir) close() { _ = d.f.Close() }

func (d *privateDir) fd() int { return int(d.f.Fd()) }

// open opens a file without following a link or waiting for a FIFO's other
// end, and checks what it got.
func (d *privateDir) open(name string, flags int) (*os.File, *unix.Stat_t, error) {
	fd, err := unix.Openat(d.fd(), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.ENXIO) {
		return nil, nil, errCacheNotPlain
	} else if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		switch {
		case int(st.Uid) != os.Geteuid():
			err = errCacheNotOurs
		case st.Mode&unix.S_IFMT != unix.S_IFREG, st.Nlink != 1, st.Mode&0o077 != 0:
			err = errCacheNotPlain
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, &st, nil
}

// read returns a file's content, unless it is anything but a private regular
// file of this user of up to limit bytes.
func (d *privateDir) read(name string, limit int64) ([]byte, error) {
	f, st, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st.Size > limit {
		return nil, errCacheDamaged
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

const tempPrefix = ".tmp-"

// replace makes data a file's content; after a crash it is that or the former,
// whole. step hears what is done next.
func (d *privateDir) replace(name string, data []byte, step func(string)) (err error) {
	d.removeTemps()
	temp := tempPrefix + rand.Text()
	step("create")
	fd, err := unix.Openat(d.fd(), temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("create cache file: %w", err)
	}
	f := os.NewFile(uintptr(fd), temp)
	defer func() {
		if err != nil {
			_ = unix.Unlinkat(d.fd(), temp, 0)
		}
	}()
	step("chmod") // whatever the umask took away
	err = f.Chmod(0o600)
	if err == nil {
		step("write")
		_, err = f.Write(data)
	}
	if err == nil {
		step("sync")
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	step("rename")
	if err = unix.Renameat(d.fd(), temp, d.fd(), name); err != nil {
		return fmt.Errorf("rename cache file: %w", err)
	}
	step("sync directory")
	if err := d.f.Sync(); err != nil {
		return err
	}
	step("done")
	return nil
}

// removeTemps removes what a crash has left. The lock is held.
func (d *privateDir) removeTemps() {
	names, _ := d.f.Readdirnames(-1)
	_, _ = d.f.Seek(0, io.SeekStart)
	for _, n := range names {
		if strings.HasPrefix(n, tempPrefix) {
			_ = unix.Unlinkat(d.fd(), n, 0)
		}
	}
}

// remove deletes a name of this user's.
func (d *privateDir) remove(name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() {
		return errCacheNotOurs
	}
	if err := unix.Unlinkat(d.fd(), name, 0); err != nil {
		return err
	}
	return d.f.Sync()
}

// tryLock locks the named file, which is never removed, against every other
// process and every other caller in this one.
func (d *privateDir) tryLock(name string) (unlock func(), free bool, err error) {
	f, _, err := d.open(name, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return nil, false, nil
		}
		return nil, false, err
	}
	return func() { _ = f.Close() }, true, nil
}

// seal and unseal leave the content as it is: the file's mode protects it.
func seal(data []byte, _ string) ([]byte, error) { return data, nil }

func unseal(data []byte, _ string) ([]byte, error) { return data, nil }
