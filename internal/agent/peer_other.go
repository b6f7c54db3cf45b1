//go:build unix && !linux

package agent

import (
	"net"
	"os"
)

// peerOf takes the peer for this process's own user: where the kernel is not
// asked who has connected, the mode of the socket says who could.
func peerOf(*net.UnixConn) (peer, error) { return peer{uid: uint32(os.Geteuid())}, nil }
