package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// While little is on the heap, it may grow to several times that before garbage
// is collected, for collecting it more often would cost a tenth of the processor
// time of an upload. While much is on it, it may grow by little, so that an
// agent of a million directories does not need twice their memory.
const (
	evenHeap     = 24 << 20 // bytes in use at which as many may be garbage
	leastPercent = 40
	mostPercent  = 400
)

// collectorPercent returns how much garbage may come up, in percent of the bytes
// in use, before it is collected.
func collectorPercent(live uint64) int {
	share := evenHeap / float64(max(live, 1))
	return int(min(max(100*share*share, leastPercent), mostPercent))
}

// paceCollector adapts the collector after each of its rounds, unless the user
// has set it: GOGC and GOMEMLIMIT mean what they mean to every Go program.
func paceCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now := 0
	var adapt func(struct{})
	adapt = func(struct{}) {
		metrics.Read(live)
		if p := collectorPercent(live[0].Value.Uint64()); p != now {
			now = p
			debug.SetGCPercent(p)
		}
		// Nobody holds it, so it goes with the next round.
		runtime.AddCleanup(new([64]byte), adapt, struct{}{})
	}
	adapt(struct{}{})
}
