package watch

import (
	"errors"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// pump handles the changes in their order.
func (s *changes) pump() {
	for {
		var n uint32
		var key uintptr
		var over *windows.Overlapped
		err := windows.GetQueuedCompletionStatus(s.port, &n, &key, &over, windows.INFINITE)
		if s.isClosed() {
			return
		}
		switch {
		case err == nil && n > 0:
			s.changed(s.buf[:n])
		case err == nil:
			err = errOverflow // the buffer was dropped; the watch goes on
		}
		if err != nil {
			s.lost(err)
			if !isOverflow(err) {
				return // the watch is dead; a fresh source takes its place
			}
		}
		if err := s.arm(); err != nil {
			s.lost(err)
			return
		}
	}
}

func (s *changes) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// changed marks what a filled buffer tells.
func (s *changes) changed(b []byte) {
	const header = unsafe.Offsetof(windows.FileNotifyInformation{}.FileName)
	moved := false
	for len(b) > int(header) {
		info := (*windows.FileNotifyInformation)(unsafe.Pointer(&b[0]))
		size := int(info.FileNameLength)
		if int(header)+size > len(b) {
			s.lost(errors.New("malformed change"))
			return
		}
		path := filepath.ToSlash(windows.UTF16ToString(unsafe.Slice(&info.FileName, size/2)))
		s.event(info.Action, path, moved)
		moved = info.Action == windows.FILE_ACTION_RENAMED_OLD_NAME
		if info.NextEntryOffset == 0 || int(info.NextEntryOffset) > len(b) {
			return
		}
		b = b[info.NextEntryOffset:]
	}
}

func (s *changes) event(action uint32, path string, moved bool) {
	path = s.longName(path)
	dir, name := split(path)
	if strings.HasPrefix(name, cookiePrefix) {
		s.mu.Lock()
		if c := s.cookies[name]; c != nil && action == windows.FILE_ACTION_ADDED {
			delete(s.cookies, name)
			close(c)
		}
		s.mu.Unlock()
		return
	}
	if strings.Contains(name, ":") || s.excluded(dir) {
		return // an alternate stream; what it belongs to is told as well
	}
	switch action {
	case windows.FILE_ACTION_REMOVED, windows.FILE_ACTION_RENAMED_OLD_NAME:
		s.pending.file(dir, name, mark(Removed)|markGone|markTree|markLook)
	case windows.FILE_ACTION_ADDED:
		s.pending.file(dir, name, mark(Changed)|markLook)
	case windows.FILE_ACTION_RENAMED_NEW_NAME:
		m := mark(Changed) | markLook
		if moved {
			m = mark(Moved) | markLook
		}
		s.pending.file(dir, name, m)
	default:
		s.pending.file(dir, name, mark(Changed))
	}
}

// longName undoes the short names of 8.3, which Windows reports for whoever
// used them. What cannot be looked up any more is told by a listing.
func (s *changes) longName(path string) string {
	if !strings.Contains(path, "~") {
		return path
	}
	short, err := windows.UTF16PtrFromString(longPath(filepath.Join(s.root, filepath.FromSlash(path))))
	if err != nil {
		return path
	}
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetLongPathName(short, &buf[0], uint32(len(buf)))
	if err != nil || n == 0 || int(n) > len(buf) {
		dir, _ := split(path)
		s.pending.dir(dir, false)
		return path
	}
	long := windows.UTF16ToString(buf[:n])
	rel, err := filepath.Rel(longPath(s.root), long)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return filepath.ToSlash(rel)
}

// excluded reports whether a directory, or one that holds it, is excluded: the
// one watch tells of those too.
func (s *changes) excluded(dir string) bool {
	for i := range len(dir) {
		if dir[i] == '/' && s.opt.Exclude(dir[:i]) {
			return true
		}
	}
	return dir != "" && s.opt.Exclude(dir)
}
