//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyHangup returns where SIGHUP arrives, which makes the agent read its
// configuration anew. Those that come while one is being dealt with are one.
func notifyHangup() (hangups <-chan os.Signal, end func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}
