package watch

import (
	"errors"
	"path/filepath"
	"strings"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/winfile"
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
// used them. What is not there any more cannot be asked for its long name, so
// the directory that held it is listed.
func (s *changes) longName(path string) string {
	if !hasShort(path) {
		return path
	}
	if long, ok := s.expand(path); ok {
		return long
	}
	there, _ := split(path)
	long, ok := "", there == ""
	for !ok {
		if long, ok = s.expand(there); !ok {
			there, _ = split(there)
			ok = there == ""
		}
	}
	s.pending.dir(long, false)
	return join(long, strings.TrimPrefix(path[len(there):], "/"))
}

// hasShort reports whether an element of path may be a short name.
func hasShort(path string) bool {
	const longest = len("12345678.123")
	for elem := range strings.SplitSeq(path, "/") {
		if strings.Contains(elem, "~") && utf8.RuneCountInString(elem) <= longest {
			return true
		}
	}
	return false
}

// expand asks Windows for the long names of path's elements. Those of the root
// stay as they were configured.
func (s *changes) expand(path string) (long string, ok bool) {
	full := filepath.Join(s.root, filepath.FromSlash(path))
	if len(full) >= windows.MAX_PATH { // not always: Wine answers with what it was asked, then
		full = winfile.Long(full)
	}
	short, err := windows.UTF16PtrFromString(full)
	if err != nil {
		return "", false
	}
	for buf := make([]uint16, windows.MAX_PATH); ; {
		n, err := windows.GetLongPathName(short, &buf[0], uint32(len(buf)))
		if err != nil || n == 0 {
			return "", false
		}
		if int(n) > len(buf) {
			buf = make([]uint16, n)
			continue
		}
		all, want := strings.Split(windows.UTF16ToString(buf[:n]), `\`), strings.Count(path, "/")+1
		if len(all) < want {
			return "", false
		}
		return strings.Join(all[len(all)-want:], "/"), true
	}
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
