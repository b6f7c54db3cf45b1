package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/winfile"
)

// errOverflow means that the buffer was too small for what happened.
var errOverflow = errors.New("more changes than the buffer holds")

func isOverflow(err error) bool {
	return errors.Is(err, errOverflow) || errors.Is(err, windows.ERROR_NOTIFY_ENUM_DIR)
}

const (
	// A larger buffer is not allowed for a directory on another machine; those
	// are polled, but a local path may lead to one all the same.
	smallBuffer = 64 << 10
	largeBuffer = 1 << 20

	notifyMask = windows.FILE_NOTIFY_CHANGE_FILE_NAME | windows.FILE_NOTIFY_CHANGE_DIR_NAME |
		windows.FILE_NOTIFY_CHANGE_SIZE | windows.FILE_NOTIFY_CHANGE_LAST_WRITE |
		windows.FILE_NOTIFY_CHANGE_CREATION | windows.FILE_NOTIFY_CHANGE_SECURITY
)

// collapseDeep: no record is kept of directories, so that those that came with
// the hints of a collapsed directory are found only by listing all below it.
const collapseDeep = true

// A changes source has one watch for the whole tree. It pins the root only:
// whatever is below can be renamed. Windows tells neither that a file was
// closed, nor whether a path that is gone was a directory's.
type changes struct {
	host
	dir  windows.Handle
	port windows.Handle
	buf  []byte
	over windows.Overlapped
	quit chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	cookies map[string]chan struct{}
	serial  int
}

// openSource starts a source for h.root. It returns nil and a reason where the
// tree has to be polled.
func openSource(h host) (source, string) {
	if h.opt.Poll {
		return nil, "asked for"
	}
	if remote(h.root) {
		return nil, viaNetwork
	}
	s, err := openChanges(h, largeBuffer)
	if err != nil {
		s, err = openChanges(h, smallBuffer)
	}
	if err != nil {
		return nil, err.Error()
	}
	if isRemote(s.dir) {
		s.close()
		return nil, viaNetwork
	}
	return s, ""
}

// viaNetwork is why a tree on another machine is polled.
const viaNetwork = "a network drive does not report all changes"

// remote reports whether a path is on another machine.
func remote(path string) bool {
	if isShare(path) {
		return true
	}
	p, err := windows.UTF16PtrFromString(filepath.VolumeName(path) + `\`)
	return err == nil && windows.GetDriveType(p) == windows.DRIVE_REMOTE
}

// isShare reports whether a path names a share, \\server\share or the long form
// of that.
func isShare(path string) bool {
	for _, prefix := range []string{`\\?\`, `\\.\`} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return strings.HasPrefix(strings.ToUpper(rest), `UNC\`)
		}
	}
	return strings.HasPrefix(path, `\\`)
}

// isRemote reports whether an open directory is on another machine, to which a
// link may lead from a local path.
func isRemote(dir windows.Handle) bool {
	var info [64]uint32 // FILE_REMOTE_PROTOCOL_INFO, which local file systems do not know, is 116 bytes
	err := windows.GetFileInformationByHandleEx(dir, windows.FileRemoteProtocolInfo, (*byte)(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return err == nil
}

func openChanges(h host, size int) (*changes, error) {
	name, err := windows.UTF16PtrFromString(winfile.Long(h.root))
	if err != nil {
		return nil, err
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	dir, err := windows.CreateFile(name, windows.FILE_LIST_DIRECTORY, share, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OVERLAPPED, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", h.root, err)
	}
	port, err := windows.CreateIoCompletionPort(dir, 0, 0, 1)
	if err != nil {
		windows.CloseHandle(dir)
		return nil, fmt.Errorf("completion port: %w", err)
	}
	s := &changes{
		host:    h,
		dir:     dir,
		port:    port,
		buf:     unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(make([]uint32, size/4)))), size), // aligned
		quit:    make(chan struct{}),
		cookies: make(map[string]chan struct{}),
	}
	if err := s.arm(); err != nil {
		windows.CloseHandle(dir)
		windows.CloseHandle(port)
		return nil, fmt.Errorf("watch %s: %w", h.root, err)
	}
	s.wg.Go(s.pump)
	return s, nil
}

// arm asks for the next changes. Windows collects those that happen between
// two calls.
func (s *changes) arm() error {
	return windows.ReadDirectoryChanges(s.dir, &s.buf[0], uint32(len(s.buf)), true, notifyMask, nil, &s.over, 0)
}

// cookie implements source, by a file in the root.
func (s *changes) cookie(ctx context.Context) error {
	s.mu.Lock()
	s.serial++
	name := fmt.Sprintf("%s%d-%d", cookiePrefix, os.Getpid(), s.serial)
	seen := make(chan struct{})
	s.cookies[name] = seen
	s.mu.Unlock()
	path := filepath.Join(s.root, name)
	defer func() {
		s.mu.Lock()
		delete(s.cookies, name)
		s.mu.Unlock()
		os.Remove(path)
	}()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	select {
	case <-seen:
		return nil
	case <-s.quit:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *changes) close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	port := s.port
	if windows.PostQueuedCompletionStatus(port, 0, 0, nil) != nil {
		windows.CloseHandle(port) // wakes the pump as well
		port = windows.InvalidHandle
	}
	s.wg.Wait()
	// The buffer belongs to Windows until the call that fills it has ended.
	if windows.CancelIoEx(s.dir, &s.over) == nil {
		var n uint32
		windows.GetOverlappedResult(s.dir, &s.over, &n, true)
	}
	windows.CloseHandle(s.dir)
	if port != windows.InvalidHandle {
		windows.CloseHandle(port)
	}
}

func (s *changes) stats(st *Stats) {
	st.Mode = "windows"
	st.Watched, st.Total = 1, 1
}

// The one watch serves every directory, so nothing need be remembered of any.

func (s *changes) enter(*directory) error        { return nil }
func (s *changes) listed(string, uint64)         {}
func (s *changes) unread(string)                 {}
func (s *changes) gone(string)                   {}
func (s *changes) known(string) bool             { return true }
func (s *changes) last(string) (uint64, bool)    { return 0, false }
func (s *changes) unwatched(int) ([]string, int) { return nil, -1 }
