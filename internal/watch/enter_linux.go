package watch

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// collapseDeep: a directory that came with the hints of a collapsed one is not
// known, and so is listed as well.
const collapseDeep = false

// enter implements source: rules 1 and 2. That a path still leads to the
// directory is seen without the mutex, which several workers wait for.
func (s *inotify) enter(d *directory) error {
	abs, err := s.add(d)
	if err != nil || abs == "" {
		return err
	}
	is := s.is(abs, d.path, d.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.t.find(d.path)
	same := id != 0 && s.t.is(id, d.id.Device, d.id.FileID[0]) // or another was found meanwhile
	switch {
	case is && same:
		s.t.at(id).flags |= nodeProven
	case same:
		s.drop(id)
	}
	if !is {
		return errStale
	}
	return nil
}

// add makes a directory known, and watches it if it can be and was not. It returns
// its path where that has to be proven then.
func (s *inotify) add(d *directory) (abs string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	up, name := split(d.path)
	if s.closed || d.path != "" && s.t.find(up) == 0 {
		return "", errUnknown
	}
	id := s.t.find(d.path)
	if id != 0 && !s.t.is(id, d.id.Device, d.id.FileID[0]) {
		s.drop(id)
		id = 0
	}
	if id != 0 && s.t.at(id).flags&(nodeWatched|nodeRemote) != 0 {
		n := s.t.at(id)
		n.flags &^= nodeUnread
		if n.flags&(nodeProven|nodeRemote) != 0 {
			return "", nil
		}
		return s.abs(d.path), nil
	}
	alias, err := s.elsewhere(d)
	if err != nil {
		return "", err
	}
	var parent nodeID
	if d.path != "" {
		if parent = s.t.find(up); parent == 0 {
			return "", errUnknown // it was below the other path
		}
		id = s.t.child(parent, name)
	}
	abs = s.keep(d.path)
	if id == 0 {
		// The library keeps abs, so the end of it serves as the name.
		id = s.t.add(parent, abs[len(abs)-len(name):], d.id.Device, d.id.FileID[0])
		s.t.at(id).heat = uint32(min(d.mtime, time.Now().UnixNano()) / 1e9)
	}
	n := s.t.at(id)
	n.flags &^= nodeUnread | nodeProven
	switch {
	case s.remote(parent, d):
		n.flags |= nodeRemote
		return "", nil
	case alias:
		return "", nil
	}
	if err := s.watch(id, d, abs); err != nil {
		s.drop(id)
		return "", err
	}
	return abs, nil
}

// elsewhere sees to a directory that is watched under another path. If that
// path does not lead to it any more, its watches are removed. If it does, the
// directory has two names (a bind mount or a link), and can be watched under
// one only.
func (s *inotify) elsewhere(d *directory) (alias bool, err error) {
	id := s.t.byInode(d.id.Device, d.id.FileID[0])
	if id == 0 {
		return false, nil
	}
	path := s.t.path(id)
	if path == d.path {
		return false, nil
	}
	switch {
	case s.is(s.abs(path), path, d.id):
		if !s.is(s.abs(d.path), d.path, d.id) {
			return false, errStale // it was opened here, and is there now
		}
		return true, nil
	case id == rootID:
		return false, errStale
	}
	s.drop(id)
	s.pending.dir(path, true)
	return false, nil
}

// remote reports whether a directory is on a file system that has to be
// polled. The file system is asked for only where a mount begins.
func (s *inotify) remote(parent nodeID, d *directory) bool {
	if parent == 0 {
		return false // openSource has asked
	}
	up := s.t.at(parent)
	if up.dev == s.t.device(d.id.Device) {
		return up.flags&nodeRemote != 0
	}
	return silent(s.abs(d.path)) != ""
}

// watch adds the watch of a node, if the kernel has one left or another node
// can do without; else it is polled. While nothing was ever forgotten, the
// library has no watch under a path that is new.
func (s *inotify) watch(id nodeID, d *directory, abs string) error {
	if s.dropped || s.limited {
		s.remove(abs)
	}
	err := s.w.Add(abs)
	if err == unix.ENOSPC {
		s.limited = true
		if cold := s.coldest(s.t.at(id).heat); cold != 0 {
			s.remove(s.abs(s.t.path(cold)))
			s.t.setWatched(cold, false)
			err = s.w.Add(abs)
		}
	}
	switch err {
	case nil:
		s.t.setWatched(id, true)
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EACCES:
		return errStale
	case unix.ENOSPC:
	default:
		s.opt.Logger.Debug("directory not watched", "dir", d.path, "err", err)
	}
	return nil
}

// coldestOf is how many directories are compared to find one that has not
// changed for long: the best of so many at random is cold enough.
const coldestOf = 64

// coldest returns a watched directory that last changed before heat, or 0. One
// without children is preferred, for with the watch of another goes the notice
// of what happens to its children.
func (s *inotify) coldest(heat uint32) nodeID {
	if s.t.watched == 0 {
		return 0
	}
	best, bestKey := nodeID(0), uint64(heat)
	for tries := 0; tries < coldestOf; tries++ {
		id := nodeID(rand.Uint32N(uint32(s.t.end())))
		n := s.t.at(id)
		if id == rootID || n.flags&nodeWatched == 0 {
			continue
		}
		key := uint64(n.heat)
		if n.first != 0 {
			key += 3600
		}
		if key < bestKey {
			best, bestKey = id, key
		}
	}
	return best
}

// listed implements source. A directory that is not watched and changed is hot:
// it shall have a watch, and be read once more after that.
func (s *inotify) listed(dir string, digest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.t.find(dir)
	if id == 0 {
		return
	}
	n := s.t.at(id)
	if n.flags&nodeWatched != 0 {
		return
	}
	old := s.t.digests[id]
	s.t.digests[id] = digest
	if n.flags&nodeRemote != 0 || old == 0 || old == digest {
		return
	}
	n.heat = uint32(time.Now().Unix())
	if s.limited && s.coldest(n.heat) != 0 {
		s.pending.dir(dir, false)
	}
}

// unread implements source. The directory is kept in mind, so that a change of
// its permissions is noticed.
func (s *inotify) unread(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.t.find(dir); id != 0 {
		s.t.at(id).flags |= nodeUnread
		return
	}
	up, name := split(dir)
	var st unix.Stat_t
	if parent := s.t.find(up); parent != 0 && dir != "" && unix.Lstat(s.abs(dir), &st) == nil {
		s.t.at(s.t.add(parent, strings.Clone(name), 0, 0)).flags |= nodeUnread
	}
}

// gone implements source.
func (s *inotify) gone(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st unix.Stat_t
	if id := s.t.find(dir); id > rootID && errors.Is(unix.Lstat(s.abs(dir), &st), unix.ENOENT) {
		s.drop(id)
	}
}

// known implements source.
func (s *inotify) known(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.t.find(dir)
	return id != 0 && s.t.at(id).flags&nodeUnread == 0
}

// last implements source.
func (s *inotify) last(dir string) (digest uint64, unwatched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.t.find(dir)
	if id == 0 {
		return 0, false
	}
	return s.t.digests[id], s.t.at(id).flags&nodeWatched == 0
}

// unwatched implements source.
func (s *inotify) unwatched(cursor int) (dirs []string, next int) {
	const some = 1024
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.t.watched == s.t.count {
		return nil, -1
	}
	for id := nodeID(cursor); id < s.t.end(); id++ {
		if len(dirs) == some {
			return dirs, int(id)
		}
		n := s.t.at(id)
		if n.flags&(nodeUsed|nodeWatched|nodeUnread) == nodeUsed {
			dirs = append(dirs, s.t.path(id))
		}
	}
	return dirs, -1
}

func (s *inotify) stats(st *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Mode = "inotify"
	st.CloseWrite = s.closeWrite
	st.Watched = s.t.watched
	st.Total = s.t.count
	if s.limited {
		st.Advice = "fs.inotify.max_user_watches = " + strconv.Itoa(enoughWatches(s.t.count))
	}
}

// enoughWatches returns the limit to set: twice what is needed, or twice what
// is set now, for other programs take of it too; the next power of two.
func enoughWatches(needed int) int {
	now := 0
	if b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches"); err == nil {
		now, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	want := max(2*needed, 2*now, 1<<19)
	return 1 << bits.Len(uint(want-1))
}
