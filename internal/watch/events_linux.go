package watch

import (
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pump handles events in their order. It waits for nothing but s.mu.
func (s *inotify) pump() {
	for events := s.queue.take(nil); len(events) > 0; events = s.queue.take(events) {
		for i := range events {
			s.event(&events[i])
		}
	}
}

func (s *inotify) event(ev *fsnotify.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own != "" && strings.HasPrefix(ev.Name, s.own) {
		if c := s.cookies[ev.Name]; c != nil && c.match(ev) {
			delete(s.cookies, ev.Name)
			close(c.seen)
		}
		return
	}
	if !strings.HasPrefix(ev.Name, s.root) || s.closed {
		return
	}
	path := strings.TrimLeft(ev.Name[len(s.root):], "/")
	if path == "" {
		if ev.Has(fsnotify.Remove | fsnotify.Rename) {
			s.lost(errRootMoved)
		}
		return
	}
	dir, name := split(path)
	if strings.HasPrefix(name, cookiePrefix) {
		return
	}
	id := s.dirOf(dir)
	if id == 0 {
		s.strayed(dir)
		return
	}
	s.t.at(id).heat = uint32(time.Now().Unix())
	s.changed(ev, id, dir, name, path)
}

// dirOf returns the node of a directory that an event is about.
func (s *inotify) dirOf(dir string) nodeID {
	if s.lastID == 0 || s.lastDir != dir {
		s.lastID = s.t.find(dir)
		s.lastDir = strings.Clone(dir)
	}
	return s.lastID
}

// strayed handles an event below a directory that is not known under this
// path, such as one that was renamed: whatever bears the path now is looked at.
func (s *inotify) strayed(dir string) {
	for {
		up, _ := split(dir)
		if s.t.find(up) != 0 {
			s.pending.dir(dir, true)
			return
		}
		if dir = up; dir == "" {
			return // the root has not been entered yet: all is still to be read
		}
	}
}

// changed marks what an event is about.
func (s *inotify) changed(ev *fsnotify.Event, parent nodeID, dir, name, path string) {
	id := s.t.child(parent, name)
	switch {
	case ev.Has(fsnotify.Remove | fsnotify.Rename):
		if id != 0 {
			s.drop(id)
			s.pending.dir(path, true)
		}
		// Also of a directory: what is gone may have been a file, and the
		// directory that was found here may have come after it.
		s.pending.file(dir, name, mark(Removed)|markGone)
	case ev.Has(fsnotify.Create):
		m := mark(Changed) | markLook
		if s.moved != nil && s.moved(ev) != "" {
			m = mark(Moved) | markLook
		}
		if id != 0 {
			s.drop(id)
			s.pending.dir(path, true)
		}
		s.pending.file(dir, name, m)
	case ev.Has(opCloseWrite):
		s.pending.file(dir, name, mark(Closed)|markFile)
	case ev.Has(fsnotify.Write):
		s.pending.file(dir, name, mark(Changed)|markFile)
	case id != 0:
		if s.t.at(id).flags&nodeUnread != 0 {
			s.pending.dir(path, true)
		}
	default:
		s.pending.file(dir, name, mark(Changed))
	}
}
