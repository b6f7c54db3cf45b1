package upload

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const openFlags = unix.O_NONBLOCK | unix.O_NOCTTY

// system is what Linux adds to a Tree: openat2, and what was learnt of the
// file systems below the root, by device number.
type system struct {
	noOpenat2 bool // an old kernel, or a seccomp filter
	fine      bool // kernel 6.13 or later, whose file times tell any two writes apart that were looked at between

	mu      *sync.Mutex
	devices map[uint64]*device
}

// A device is what was learnt of one file system.
type device struct {
	fine    bool // its times are as good as the kernel's
	granted bool // it grants leases, so a refusal means a writer
	refused int  // how often it refused one, while it never granted any
	none    bool // it knows no leases
}

// refusals after which a file system that never granted a lease is taken for
// one that never will, such as some network file systems.
const refusals = 32

func newSystem(dir *os.File) system {
	s := system{mu: new(sync.Mutex), devices: make(map[uint64]*device), fine: fineKernel()}
	fd, err := unix.Openat2(int(dir.Fd()), ".", &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH,
	})
	if err != nil {
		s.noOpenat2 = true
		return s
	}
	unix.Close(fd)
	return s
}

// fineKernel reports whether the kernel keeps multigrain timestamps.
func fineKernel() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	return atLeast(unix.ByteSliceToString(u.Release[:]), 6, 13)
}

// atLeast reports whether a kernel release such as "6.13.4-rc1" is the given
// one or later.
func atLeast(release string, major, minor int) bool {
	var n [2]int
	i := 0
	for _, c := range release {
		if c >= '0' && c <= '9' {
			n[i] = n[i]*10 + int(c-'0')
		} else if i++; c != '.' || i > 1 {
			break
		}
	}
	return n[0] > major || n[0] == major && n[1] >= minor
}

func (t *Tree) open(path string) (handle, error) {
	if t.noOpenat2 {
		return t.openRoot(path)
	}
	fd, err := t.openat2(path, unix.O_RDONLY|openFlags)
	if err != nil {
		return nil, err
	}
	return &descriptor{fd}, nil
}

// A descriptor is an open regular file. An *os.File is one of anything: it asks
// the kernel twice whether it could be waited for, and costs as much again in
// locks and finalizers.
type descriptor struct{ fd int }

// ReadAt implements [io.ReaderAt].
func (d *descriptor) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(d.fd, p[n:], off+int64(n))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, io.EOF
		}
		n += m
	}
	return n, nil
}

// Close implements [io.Closer].
func (d *descriptor) Close() error {
	if d.fd < 0 {
		return os.ErrClosed
	}
	fd := d.fd
	d.fd = -1
	return unix.Close(fd)
}

// Fd returns what the kernel knows the file by.
func (d *descriptor) Fd() uintptr { return uintptr(d.fd) }

func (t *Tree) lstat(path string) (info, error) {
	if t.noOpenat2 {
		f, err := t.openRoot(path)
		if err != nil {
			return info{}, err
		}
		defer f.Close()
		return fstat(f)
	}
	fd, err := t.openat2(path, unix.O_PATH)
	if err != nil {
		return info{}, err
	}
	defer unix.Close(fd)
	return fstatFD(fd)
}

// openat2 opens path below the root. EAGAIN can mean a race of a rename with
// a ".." in a followed link, which is worth another try, or a foreign lease.
func (t *Tree) openat2(path string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	if !t.follow {
		how.Resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(int(t.dir.Fd()), path, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && t.follow && try < 3 {
			continue
		}
		return fd, err
	}
}

// timesLag: a write moves the times of the file at once.
const timesLag = false

// lastWriters asks whether anybody writes to a file that is about to leave.
func (t *Tree) lastWriters(f handle, dev uint64) Writers { return t.writers(f, dev) }

// writers takes a read lease, which the kernel grants only while nobody has
// the file open for writing, and gives it back in the next instruction: a
// program that opens the file between the two waits for less than a
// microsecond.
func (t *Tree) writers(f handle, dev uint64) Writers {
	d := t.device(f, dev)
	t.mu.Lock()
	none := d.none
	t.mu.Unlock()
	if none {
		return Unknown
	}
	fd := f.Fd()
	_, _, errno := unix.RawSyscall(unix.SYS_FCNTL, fd, unix.F_SETLEASE, unix.F_RDLCK)
	if errno == 0 {
		unix.RawSyscall(unix.SYS_FCNTL, fd, unix.F_SETLEASE, unix.F_UNLCK)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return d.learn(errno)
}

// learn draws the conclusion from the answer to the wish for a lease.
func (d *device) learn(errno unix.Errno) Writers {
	switch {
	case errno == 0:
		d.granted = true
		return NoWriter
	case errno == unix.EAGAIN && d.granted:
		return Writing
	case errno == unix.EAGAIN:
		if d.refused++; d.refused > refusals {
			return Unknown
		}
		return Writing
	case errno == unix.EACCES || errno == unix.EPERM:
		return Unknown // not our file, and no CAP_LEASE
	default:
		d.none = !d.granted
		return Unknown
	}
}

// device returns what is known of the file system that f is on.
func (t *Tree) device(f handle, dev uint64) *device {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.devices[dev]
	if d == nil {
		d = &device{}
		var st unix.Statfs_t
		if unix.Fstatfs(int(f.Fd()), &st) == nil {
			switch int64(st.Type) {
			case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
				d.fine, d.granted = t.fine, true
			case unix.OVERLAYFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC:
				d.granted = true
			}
		}
		t.devices[dev] = d
	}
	return d
}

// grain returns for how long two writes may bear the same time.
func (t *Tree) grain(f handle, dev uint64) time.Duration {
	if t.device(f, dev).fine {
		return 0
	}
	return 10 * time.Millisecond
}

func isNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

// isLink reports a link in the way, one that leads out of the root, or a
// socket or device, which cannot be opened.
func isLink(err error) bool {
	return errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV)
}

func isShared(err error) bool { return errors.Is(err, unix.EAGAIN) }
