//go:build unix

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxSocketPath = 107 // bytes, of the 108 that sockaddr_un has
	socketMode    = 0o660
	liveTime      = time.Second // for a live agent to accept a connection
)

// A socket is the file at which the agent listens, which is removed with Close.
type socket struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// listenSocket opens a socket of mode 0660. One that a dead agent left is
// replaced; one at which somebody listens, or any other file, is left alone.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes and a socket's has at most %d: make the directory /run/osssync or shorten agent.state_dir",
			path, len(path), maxSocketPath)
	}
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer unlock()
	if err := clearSocket(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	// The file gets the mode of the descriptor, less the umask, so that it is
	// at no time more open than it shall be. Systems where a socket has no mode
	// before it has a name leave that to the directory.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), socketMode) })
	}}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	s := &socket{UnixListener: ln.(*net.UnixListener), path: path}
	s.SetUnlinkOnClose(false)
	if err = os.Chmod(path, socketMode); err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close(), os.Remove(path))
	}
	return s, nil
}

// lockDir lets one agent at a time look at the socket in a directory and
// replace it.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		d.Close()
		return nil, &fs.PathError{Op: "lock", Path: dir, Err: err}
	}
	return func() { d.Close() }, nil
}

// clearSocket removes what a dead agent left at the path.
func clearSocket(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode().Type() != fs.ModeSocket:
		return errors.New("another file is there, which is no socket: remove it")
	}
	d := net.Dialer{Timeout: liveTime}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return errors.New("another agent listens there")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return err // there may be somebody who is too busy to answer
}

// Close implements net.Listener. A file that is not this socket's any more is
// left alone.
func (s *socket) Close() error {
	if unlock, err := lockDir(filepath.Dir(s.path)); err == nil {
		defer unlock()
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
			_ = os.Remove(s.path) // what is left is replaced by the next agent
		}
	}
	return s.UnixListener.Close()
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	if len(path) > maxSocketPath {
		return nil, fs.ErrNotExist // no agent can listen there
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// isNoListener says that nobody listens at the socket that is there.
func isNoListener(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR)
}

// callerOf returns who is at the other end: root, this process's user and the
// group of the socket may ask, whatever mode the file has by now.
func callerOf(conn net.Conn) caller {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return caller{}
	}
	p, err := peerOf(uc)
	if err != nil {
		return caller{}
	}
	who := caller{user: strconv.FormatUint(uint64(p.uid), 10), pid: p.pid}
	who.allowed = p.uid == 0 || int(p.uid) == os.Geteuid() || p.inGroupOf(uc.LocalAddr().String())
	return who
}

// A peer is the process at the other end of a socket, as it was when it
// connected.
type peer struct {
	pid    int
	uid    uint32
	groups []uint32
}

// inGroupOf says whether the peer is in the group of a file.
func (p peer) inGroupOf(path string) bool {
	fi, err := os.Lstat(path)
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	for _, g := range p.groups {
		if g == st.Gid {
			return true
		}
	}
	return false
}
