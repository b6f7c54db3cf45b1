package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A memory watches how much resident memory a running process uses. What the
// system tells of one that has ended is of no use: it counts what the parent
// used when it started the process.
type memory struct {
	pid     int
	stop    chan struct{}
	stopped chan struct{}
	most    int64 // bytes; once stopped is closed
}

func watchMemory(pid int) *memory {
	m := &memory{pid: pid, stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(m.stopped)
		for {
			_, most := m.now()
			m.most = max(m.most, most)
			select {
			case <-m.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return m
}

// end returns how much was used at most, bytes.
func (m *memory) end() int64 {
	close(m.stop)
	<-m.stopped
	return m.most
}

// now returns how much is used, and how much was at most; 0 where the system
// does not tell, or the process has ended.
func (m *memory) now() (used, most int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		return 0, 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			used = kib << 10
		case name == "VmHWM":
			most = kib << 10
		}
	}
	return used, most
}
