package bucket

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"
)

// control refuses addresses that nothing may be sent to, and lets the kernel
// give a connection up when nothing that was sent is acknowledged.
func control(ep endpoint) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, c syscall.RawConn) error {
		if err := ep.allowed(address); err != nil {
			return err
		}
		return c.Control(func(fd uintptr) {
			// Where it is not to be had, times.stall must do.
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ackTime.Milliseconds()))
		})
	}
}
