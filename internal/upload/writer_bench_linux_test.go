package upload

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWriterOpen compares how long a program waits for a file that it
// opens for writing, again and again: with nobody else there, with the file
// read every 10 ms, and with the same and the question whether anybody writes.
// What is asked in earnest is far less: once or twice for each upload. The
// three take turns, so that the machine is the same for all.
func BenchmarkWriterOpen(b *testing.B) {
	dir := b.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, make([]byte, 4096), 0o644); err != nil {
		b.Fatal(err)
	}
	tree, err := OpenTree(dir, false)
	if err != nil {
		b.Fatal(err)
	}
	defer tree.Close()
	look := func(ask bool) {
		f, err := tree.Open("f")
		if err != nil {
			b.Error(err)
			return
		}
		defer f.Close()
		if ask {
			f.Writers()
		}
	}
	kinds := []struct {
		name   string
		beside func()
		took   []time.Duration
	}{{name: "alone", beside: func() {}}, {name: "open", beside: func() { look(false) }}, {name: "probe", beside: func() { look(true) }}}
	for b.Loop() {
		for i := range kinds {
			kinds[i].took = append(kinds[i].took, opens(b, name, kinds[i].beside)...)
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, k := range kinds {
		slices.Sort(k.took)
		at := func(part float64) float64 {
			return float64(k.took[int(part*float64(len(k.took)-1))].Nanoseconds()) / 1e3
		}
		b.ReportMetric(at(0.5), k.name+"-p50-µs")
		b.ReportMetric(at(0.99), k.name+"-p99-µs")
		b.ReportMetric(at(0.9999), k.name+"-p99.99-µs")
	}
}

// opens opens a file for writing for a fifth of a second, while something else
// is done every 10 ms, and returns how long each took.
func opens(b *testing.B, name string, beside func()) (took []time.Duration) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				beside()
			}
		}
	})
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		begun := time.Now()
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		took = append(took, time.Since(begun))
		if err != nil {
			b.Error(err)
			return took
		}
		unix.Close(fd)
	}
	return took
}
