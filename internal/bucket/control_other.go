//go:build !linux

package bucket

import (
	"context"
	"syscall"
)

// control refuses addresses that nothing may be sent to.
func control(ep endpoint) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return ep.allowed(address)
	}
}
