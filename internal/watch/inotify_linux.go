package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// watches is what an inotify source needs of the library: a test puts a limit
// between them.
type watches interface {
	Add(path string) error
	Remove(path string) error
}

// An inotify source watches each directory of a tree on its own.
//
// The library tells neither how watches and paths came apart when directories
// were renamed, nor is it safe to ask: it can lose a watch, deadlock and
// panic. These rules avoid all three, and each is needed.
//
//  1. A directory is watched before it is read.
//  2. Before a path is watched, the watch that the library may have under that
//     path is removed (it has none while nothing was ever forgotten), and so is
//     the one that the same inode may have under another path. Afterwards the
//     path must still lead to the inode.
//  3. When a path is renamed, removed or created, the watches of that path and
//     of all below it are removed, in the order of the events; only then is it
//     looked at again.
//  4. Errors are drained by a goroutine of their own, for the library sends
//     them with its mutex held.
//  5. A panic of Remove is a loss of events.
type inotify struct {
	host
	fs    *fsnotify.Watcher
	w     watches
	moved func(*fsnotify.Event) string // former path; nil if that cannot be told
	own   string                       // private directory
	ping  chan chan struct{}           // answered by the goroutine that drains errors
	quit  chan struct{}
	queue eventQueue
	wg    sync.WaitGroup

	mu         sync.Mutex // held across calls of the library; never while the sink is called
	t          *tree
	kept       paths // of directories, for the library
	closed     bool
	closeWrite bool // closed files are told
	limited    bool // the kernel has no more watches
	dropped    bool // some directory was forgotten
	lastDir    string
	lastID     nodeID // of lastDir, 0 when not known
	cookies    map[string]*cookie
	serial     int
}

// A cookie is a file of the private directory whose event somebody awaits.
type cookie struct {
	match func(*fsnotify.Event) bool
	seen  chan struct{}
}

// openSource starts a source for h.root. It returns nil and a reason where the
// tree has to be polled.
func openSource(h host) (source, string) {
	return openLimited(h, func(w watches) watches { return w })
}

// openLimited is openSource with a limit between the source and the library.
func openLimited(h host, limit func(watches) watches) (source, string) {
	if h.opt.Poll {
		return nil, "asked for"
	}
	if name := silent(h.root); name != "" {
		return nil, name + " does not report changes"
	}
	for _, private := range []bool{true, false} {
		s, err := openInotify(h, private)
		if errors.Is(err, unix.EMFILE) {
			return nil, noInstance()
		} else if err != nil {
			return nil, err.Error()
		}
		if s.closeWrite || !private {
			s.w = limit(s.w)
			return s, ""
		}
		s.close()
	}
	return nil, ""
}

// noInstance says why there is no inotify instance to be had. The kernel says
// the same, whether the user has too many or the process too many open files.
func noInstance() string {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EMFILE) {
		return "too many open files: raise the limit of the process (LimitNOFILE)"
	} else if err == nil {
		unix.Close(fd)
	}
	return "too many inotify instances: raise fs.inotify.max_user_instances"
}

// openInotify starts a source that listens for closed files if private, and
// with nothing but the library's public means if not.
func openInotify(h host, private bool) (*inotify, error) {
	fs, err := fsnotify.NewWatcher() // without a buffer: the intake could not rest
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	s := &inotify{
		host:    h,
		fs:      fs,
		w:       fs,
		ping:    make(chan chan struct{}),
		quit:    make(chan struct{}),
		t:       newTree(),
		cookies: make(map[string]*cookie),
	}
	if add := addCloseWrite(fs); private && add != nil {
		s.w = withAdd{fs, add}
	}
	s.queue.more.L = &s.queue.mu
	s.wg.Go(s.drain)
	s.wg.Go(s.intake)
	s.wg.Go(s.pump)
	s.selfTest()
	return s, nil
}

// withAdd is the library with another way to add.
type withAdd struct {
	watches
	add func(string) error
}

func (w withAdd) Add(path string) error { return w.add(path) }

// selfTest makes the private directory and finds out what the library tells.
func (s *inotify) selfTest() {
	own, err := os.MkdirTemp(s.opt.PrivateDir, cookiePrefix+"*")
	if err == nil {
		own, err = filepath.EvalSymlinks(own)
	}
	if err != nil {
		s.opt.Logger.Warn("no directory for the watcher's own files", "err", err)
		return
	}
	s.mu.Lock()
	s.own = own
	s.mu.Unlock()
	if err := s.w.Add(own); err != nil {
		return // no more watches, most likely: the tree will tell
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	closes := s.probe(ctx, touch, func(ev *fsnotify.Event) bool { return ev.Has(opCloseWrite) }) == nil
	moved := renamedFrom()
	if moved != nil {
		swap := func(path string) error { return errors.Join(touch(path+".0"), os.Rename(path+".0", path)) }
		if s.probe(ctx, swap, func(ev *fsnotify.Event) bool { return moved(ev) == ev.Name+".0" }) != nil {
			moved = nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeWrite, s.moved = closes, moved
}

func touch(path string) error { return os.WriteFile(path, nil, 0o600) }

// probe does something to a new file of the private directory, and waits until
// an event of that file matches.
func (s *inotify) probe(ctx context.Context, do func(path string) error, match func(*fsnotify.Event) bool) error {
	s.mu.Lock()
	s.serial++
	path := fmt.Sprintf("%s/%d", s.own, s.serial)
	c := &cookie{match: match, seen: make(chan struct{})}
	s.cookies[path] = c
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.cookies, path)
		s.mu.Unlock()
		os.Remove(path)
	}()
	if err := do(path); err != nil {
		return err
	}
	select {
	case <-c.seen:
		return nil
	case <-s.quit:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cookie implements source. The kernel queues the events of all directories of
// one source in order, so those that came before the cookie's were handled
// before it. An overflow among them was told by then; drain answers only after
// it has passed that on.
func (s *inotify) cookie(ctx context.Context) error {
	s.mu.Lock()
	usable := s.own != ""
	s.mu.Unlock()
	if !usable {
		return errors.New("no directory for the watcher's own files")
	}
	if err := s.probe(ctx, touch, func(*fsnotify.Event) bool { return true }); err != nil {
		return err
	}
	answer := make(chan struct{})
	select {
	case s.ping <- answer:
	case <-s.quit:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
	<-answer
	return nil
}

// drain takes the library's errors. It must not take s.mu: who holds that may
// be waiting for the library, which waits for drain.
func (s *inotify) drain() {
	for {
		select {
		case err, ok := <-s.fs.Errors:
			if !ok {
				return
			}
			if !errors.Is(err, unix.EINVAL) { // a watch removed twice, which is harmless
				s.lost(err)
			}
		case answer := <-s.ping:
			close(answer)
		}
	}
}

func (s *inotify) close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	if err := s.fs.Close(); err != nil {
		s.opt.Logger.Warn("inotify not closed", "err", err)
	}
	s.wg.Wait()
	if s.own != "" {
		os.RemoveAll(s.own)
	}
}

// drop forgets a directory and all below it, with their watches.
func (s *inotify) drop(id nodeID) {
	s.lastID, s.dropped = 0, true
	s.t.drop(id, func(path string) { s.remove(s.abs(path)) })
}

// remove removes a watch, if the library has it.
func (s *inotify) remove(abs string) {
	defer func() {
		if r := recover(); r != nil {
			s.lost(fmt.Errorf("inotify remove: %v", r))
		}
	}()
	err := s.w.Remove(abs)
	if err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) && !errors.Is(err, unix.EINVAL) {
		s.lost(err)
	}
}

// keep is abs for a path that the library keeps.
func (s *inotify) keep(path string) string {
	if path == "" {
		return s.root
	}
	return s.kept.join(strings.TrimSuffix(s.root, "/"), path)
}

func (s *inotify) abs(path string) string {
	if path == "" {
		return s.root
	}
	if s.root == "/" {
		return "/" + path
	}
	return s.root + "/" + path
}

// is reports whether a path, which is abs, leads to a directory.
func (s *inotify) is(abs, path string, id Identity) bool {
	var st unix.Stat_t
	stat := unix.Lstat
	if s.opt.FollowSymlinks || path == "" {
		stat = unix.Stat
	}
	_, err := retry(func() (int, error) { return 0, stat(abs, &st) })
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && identity(&st) == id
}

func isOverflow(err error) bool { return errors.Is(err, fsnotify.ErrEventOverflow) }
