package agent

import (
	"errors"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who has connected.
func peerOf(conn *net.UnixConn) (p peer, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return p, err
	}
	var ucred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		if ucred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner == nil {
			p.groups, inner = peerGroups(fd)
		}
	})
	if err := errors.Join(err, inner); err != nil {
		return p, err
	}
	p.pid, p.uid = int(ucred.Pid), ucred.Uid
	p.groups = append(p.groups, ucred.Gid)
	return p, nil
}

// peerGroups returns the supplementary groups of who has connected, for which
// there is no function in x/sys.
func peerGroups(fd uintptr) ([]uint32, error) {
	const size = uint32(unsafe.Sizeof(uint32(0)))
	for n := uint32(64); ; {
		groups := make([]uint32, n)
		length := n * size
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&length)), 0)
		switch {
		case errno == 0:
			return groups[:length/size], nil
		case errno != unix.ERANGE || length/size <= n:
			return nil, errno
		}
		n = length / size
	}
}
