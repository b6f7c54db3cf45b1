//go:build unix

package main

import (
	"os"
	"syscall"
)

// peakMemory returns how much resident memory a process that has ended used at
// most, bytes.
func peakMemory(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
