package watch

import (
	"testing"
	"time"
)

// TestSetRescan shortens the time between scans while the watcher waits for the
// next one, and makes it long again.
func TestSetRescan(t *testing.T) {
	r := start(t, "", Options{Rescan: 24 * time.Hour})
	r.settle()
	scans := func() uint64 { return r.Stats().Scans }
	first := scans()
	r.SetRescan(time.Millisecond)
	for deadline := time.Now().Add(time.Minute); scans() < first+3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d scans a minute after the time between them was shortened to 1 ms", scans()-first)
		}
	}
	r.SetRescan(0) // an hour
	for deadline, n := time.Now().Add(time.Minute), uint64(0); n != scans(); {
		if time.Now().After(deadline) {
			t.Fatal("scans go on after the time between them was made an hour")
		}
		n = scans()
		time.Sleep(100 * time.Millisecond)
	}
}
