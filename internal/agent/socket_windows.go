package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	pipeBuffer = 64 << 10                // bytes, each way
	pipeRetry  = 20 * time.Millisecond   // while all instances of the pipe are taken
	pipeBusy   = windows.ERROR_PIPE_BUSY // what opening one says then
)

// A pipe listens at a named pipe. Each connection is one instance of it; there
// is always one more, for who comes next.
type pipe struct {
	name string
	sa   *windows.SecurityAttributes
	stop windows.Handle // an event

	mu     sync.Mutex
	next   windows.Handle // InvalidHandle while Accept has it, and after the end
	closed bool
}

// A pipeAddr is the name of a pipe.
type pipeAddr string

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

func (a pipeAddr) String() string { return string(a) }

// A pipeConn is an open pipe, which os.File reads and writes with deadlines.
type pipeConn struct {
	*os.File
	name string
}

// LocalAddr implements net.Conn.
func (c *pipeConn) LocalAddr() net.Addr { return pipeAddr(c.name) }

// RemoteAddr implements net.Conn.
func (c *pipeConn) RemoteAddr() net.Addr { return pipeAddr(c.name) }

// Read implements net.Conn. An end that the other side closed is io.EOF.
func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	if errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_PIPE_NOT_CONNECTED) {
		err = io.EOF
	}
	return n, err
}

// listenSocket opens a named pipe of which there is no instance yet, for
// administrators, the system and this process's own account.
func listenSocket(ctx context.Context, name string) (net.Listener, error) {
	if taken(ctx, name) {
		return nil, fmt.Errorf("listen on %s: another agent listens there", name)
	}
	sa, err := pipeSecurity()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	p := &pipe{name: name, sa: sa}
	if p.stop, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	if p.next, err = p.instance(windows.FILE_FLAG_FIRST_PIPE_INSTANCE); err != nil {
		_ = windows.CloseHandle(p.stop)
		if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			err = errors.New("another agent, or another program, has this pipe")
		}
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	return p, nil
}

// taken says whether there is such a pipe. FILE_FLAG_FIRST_PIPE_INSTANCE sees
// to it as well, but says no more than that access is denied, and Wine does not
// know it.
func taken(ctx context.Context, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, pipeRetry)
	defer cancel()
	conn, err := dialSocket(ctx, name)
	if err == nil {
		conn.Close()
	}
	return !isNoListener(err)
}

func pipeSecurity() (*windows.SecurityAttributes, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	who := user.User.Sid.String()
	sd, err := windows.SecurityDescriptorFromString("O:" + who + "D:P(A;;GA;;;BA)(A;;GA;;;SY)(A;;GA;;;" + who + ")")
	if err != nil {
		return nil, err
	}
	sa := &windows.SecurityAttributes{SecurityDescriptor: sd}
	sa.Length = uint32(unsafe.Sizeof(*sa))
	return sa, nil
}

// instance makes one more instance of the pipe.
func (p *pipe) instance(flags uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(p.name)
	if err != nil {
		return windows.InvalidHandle, err
	}
	return windows.CreateNamedPipe(name,
		windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED|flags,
		windows.PIPE_TYPE_BYTE|windows.PIPE_READMODE_BYTE|windows.PIPE_WAIT|windows.PIPE_REJECT_REMOTE_CLIENTS,
		windows.PIPE_UNLIMITED_INSTANCES, pipeBuffer, pipeBuffer, 0, p.sa)
}

// Accept implements net.Listener.
func (p *pipe) Accept() (net.Conn, error) {
	h, err := p.take()
	if err != nil {
		return nil, err
	}
	if err := p.connect(h); err != nil {
		_ = windows.CloseHandle(h)
		return nil, err
	}
	if err := p.prepare(); err != nil {
		_ = windows.CloseHandle(h)
		return nil, err
	}
	return &pipeConn{os.NewFile(uintptr(h), p.name), p.name}, nil
}

func (p *pipe) take() (windows.Handle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return windows.InvalidHandle, net.ErrClosed
	}
	h := p.next
	p.next = windows.InvalidHandle
	return h, nil
}

// prepare makes the instance for the next client.
func (p *pipe) prepare() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	h, err := p.instance(0)
	if err != nil {
		p.closed = true // without an instance there is no pipe
		return fmt.Errorf("listen on %s: %w", p.name, err)
	}
	p.next = h
	return nil
}

// connect waits for a client, or for Close.
func (p *pipe) connect(h windows.Handle) error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(event)
	o := &windows.Overlapped{HEvent: event}
	err = windows.ConnectNamedPipe(h, o)
	switch {
	case err == nil, errors.Is(err, windows.ERROR_PIPE_CONNECTED), errors.Is(err, windows.ERROR_NO_DATA):
		return nil // ERROR_NO_DATA: and it has left again, which reading tells
	case !errors.Is(err, windows.ERROR_IO_PENDING):
		return err
	}
	which, err := windows.WaitForMultipleObjects([]windows.Handle{event, p.stop}, false, windows.INFINITE)
	if err == nil && which == windows.WAIT_OBJECT_0 {
		var n uint32
		return windows.GetOverlappedResult(h, o, &n, false)
	}
	// The kernel must be done with o before it can be freed.
	var n uint32
	_ = windows.CancelIoEx(h, o)
	_ = windows.GetOverlappedResult(h, o, &n, true)
	if err == nil {
		err = net.ErrClosed
	}
	return err
}

// Close implements net.Listener.
func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.next != windows.InvalidHandle {
		_ = windows.CloseHandle(p.next)
		p.next = windows.InvalidHandle
	}
	return windows.SetEvent(p.stop)
}

// Addr implements net.Listener.
func (p *pipe) Addr() net.Addr { return pipeAddr(p.name) }

// dialSocket opens an instance of the pipe, if it is a pipe of the agent. The
// server may learn who asks, but not act in that name.
func dialSocket(ctx context.Context, name string) (net.Conn, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	for {
		h, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING,
			windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_IDENTIFICATION, 0)
		if err == nil {
			if err := checkServer(h); err != nil {
				_ = windows.CloseHandle(h)
				return nil, &os.PathError{Op: "open", Path: name, Err: err}
			}
			return &pipeConn{os.NewFile(uintptr(h), name), name}, nil
		}
		if !errors.Is(err, pipeBusy) {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pipeRetry):
		}
	}
}

// isNoListener says that nobody has the pipe. os.ErrNotExist says so as well.
func isNoListener(err error) bool { return errors.Is(err, windows.ERROR_FILE_NOT_FOUND) }

// callerOf returns who is at the other end. Only who may ask could open the
// pipe, so all that is told is the process.
func callerOf(conn net.Conn) caller {
	who := caller{allowed: true}
	c, ok := conn.(*pipeConn)
	if !ok {
		return who
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return who
	}
	_ = raw.Control(func(h uintptr) {
		var pid uint32
		if windows.GetNamedPipeClientProcessId(windows.Handle(h), &pid) == nil {
			who.pid = int(pid)
		}
	})
	return who
}
