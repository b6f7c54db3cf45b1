package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestCollectorPercent(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 400}, {4 << 20, 400}, {12 << 20, 400}, {16 << 20, 225}, {24 << 20, 100}, {48 << 20, 40}, {1 << 30, 40},
	} {
		if got := collectorPercent(tt.live); got != tt.want {
			t.Errorf("collectorPercent(%d MiB) = %d, want %d", tt.live>>20, got, tt.want)
		}
	}
}

// What is in use decides, time and again.
func TestPaceCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	paceCollector()
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	for _, tt := range []struct {
		live      int
		low, high int
	}{{200 << 20, 30, 50}, {1, 31, 400}} {
		held := make([]byte, tt.live)
		runtime.GC() // its cleanups run soon after
		p := 0
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			runtime.GC()
			if p = percent(); p >= tt.low && p <= tt.high {
				break
			}
		}
		if p < tt.low || p > tt.high {
			t.Errorf("with %d bytes in use: %d percent, want %d to %d", tt.live, p, tt.low, tt.high)
		}
		runtime.KeepAlive(held)
	}
}

// GOGC is the user's word.
func TestPaceCollectorObeys(t *testing.T) {
	t.Setenv("GOGC", "77")
	defer debug.SetGCPercent(debug.SetGCPercent(77))
	paceCollector()
	runtime.GC()
	if p := debug.SetGCPercent(100); p != 77 {
		t.Errorf("%d percent, want what GOGC says", p)
	}
}
