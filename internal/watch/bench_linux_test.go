package watch

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	benchFiles   = flag.Int("files", 100_000, "how many files the benchmarks of scans make")
	benchDirs    = flag.Int("dirs", 100, "in how many directories")
	benchTreeDir = flag.String("tree", "", "a directory of -files files for the benchmarks of scans, in place of one that they make")
)

// A counter is the cheapest sink.
type counter struct {
	hints, files atomic.Int64
	onHint       func(string, Cause)
}

func (c *counter) Hint(path string, cause Cause) {
	c.hints.Add(1)
	if c.onHint != nil {
		c.onHint(path, cause)
	}
}

func (c *counter) Listed(_ context.Context, l Listing) error {
	c.files.Add(int64(len(l.Files)))
	return nil
}

// told returns how many files were hinted or listed.
func (c *counter) told() int64 { return c.hints.Load() + c.files.Load() }

func (c *counter) Scanned(context.Context, Scan) error { return nil }

// benchTree makes -files empty files in -dirs directories, and has each looked
// at once, so that what is compared finds them all in memory.
func benchTree(b *testing.B) string {
	b.Helper()
	if *benchTreeDir != "" {
		find(b, *benchTreeDir)
		return *benchTreeDir
	}
	dir := b.TempDir()
	var wg sync.WaitGroup
	for w := range runtime.NumCPU() {
		wg.Go(func() {
			for d := w; d < *benchDirs; d += runtime.NumCPU() {
				sub := filepath.Join(dir, fmt.Sprint(d%100), fmt.Sprint(d))
				if err := os.MkdirAll(sub, 0o755); err != nil {
					b.Error(err)
					return
				}
				for f := range *benchFiles / *benchDirs {
					fd, err := unix.Open(fmt.Sprintf("%s/some-file-%06d.log", sub, f), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
					if err != nil {
						b.Error(err)
						return
					}
					unix.Close(fd)
				}
			}
		})
	}
	wg.Wait()
	find(b, dir)
	return dir
}

// usage is the time that something took, and the processor time of it.
type usage struct{ wall, cpu time.Duration }

func find(b *testing.B, dir string) usage {
	b.Helper()
	cmd := exec.Command("find", dir, "-type", "f", "-printf", "%s %T@\n")
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return usage{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

func measure(f func()) usage {
	start, cpu := time.Now(), cpuTime()
	f()
	return usage{time.Since(start), cpuTime() - cpu}
}

func cpuTime() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// median returns the median wall and processor times.
func median(all []usage) usage {
	var wall, cpu []time.Duration
	for _, u := range all {
		wall, cpu = append(wall, u.wall), append(cpu, u.cpu)
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	return usage{wall[len(wall)/2], cpu[len(cpu)/2]}
}

// versusFind runs f and find in turn, and reports how they compare.
func versusFind(b *testing.B, dir string, f func()) {
	var ours, theirs []usage
	for b.Loop() {
		theirs = append(theirs, find(b, dir))
		runtime.GC()
		ours = append(ours, measure(f))
	}
	o, t := median(ours), median(theirs)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(o.wall)/float64(t.wall), "wall/find")
	b.ReportMetric(float64(o.cpu)/float64(t.cpu), "cpu/find")
	b.ReportMetric(float64(*benchFiles)/o.wall.Seconds(), "files/s")
}

// BenchmarkScan compares a scan with find, which looks at the same.
func BenchmarkScan(b *testing.B) {
	dir := benchTree(b)
	for _, workers := range []int{1, 0} {
		b.Run(fmt.Sprintf("workers=%d", Options{Workers: workers}.withDefaults().Workers), func(b *testing.B) {
			versusFind(b, dir, func() {
				c := new(counter)
				if err := ScanOnce(b.Context(), dir, c, Options{Workers: workers}); err != nil {
					b.Error(err)
				}
				if n := c.files.Load(); n != int64(*benchFiles / *benchDirs * *benchDirs) {
					b.Errorf("%d files", n)
				}
			})
		})
	}
}

// BenchmarkStart compares the time until a tree is watched and listed.
func BenchmarkStart(b *testing.B) {
	dir := benchTree(b)
	versusFind(b, dir, func() {
		w, stop := run(b, dir, new(counter))
		must(b, w.Barrier(b.Context()))
		defer stop() // is measured as well
	})
}

func run(b *testing.B, dir string, s Sink) (w *Watcher, stop func()) {
	w = New(dir, s, Options{PrivateDir: b.TempDir()})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	return w, func() { cancel(); wg.Wait() }
}

// BenchmarkMemory reports the heap that a watched directory needs. Try it with
// -dirs 100000 -files 100000.
func BenchmarkMemory(b *testing.B) {
	dir := benchTree(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w, stop := run(b, dir, new(counter))
	defer stop()
	must(b, w.Barrier(b.Context()))
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
	}
	st := w.Stats()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(st.Total), "B/dir")
	b.ReportMetric(float64(st.Watched)/float64(st.Total), "watched")
}

// demandedRate is how many files are created in a second without an overflow.
const demandedRate = 85_000

// BenchmarkEvents reports how fast queued events are taken, and whether four
// processes that create files overflow the queue: at full speed, where they may,
// and a little above the rate at which they must not.
func BenchmarkEvents(b *testing.B) {
	b.Run("queued", func(b *testing.B) {
		dir := memDir(b)
		w, stop := run(b, dir, new(counter))
		defer stop()
		must(b, w.Barrier(b.Context()))
		s := w.source().(*inotify)
		one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
		must(b, write(one, ""), write(two, ""))
		const events = 20000
		var took time.Duration
		rounds := 0
		for b.Loop() {
			s.mu.Lock()
			for range events / 2 {
				must(b, os.Chmod(one, 0o600), os.Chmod(two, 0o600))
			}
			start := time.Now()
			s.mu.Unlock()
			must(b, w.Barrier(b.Context()))
			took += time.Since(start)
			rounds++
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(rounds*events)/took.Seconds(), "events/s")
		b.ReportMetric(float64(w.Stats().Overflows), "overflows")
	})
	b.Run("creating", func(b *testing.B) { benchCreating(b, 0) })
	b.Run("creating-paced", func(b *testing.B) {
		fast, clean := 0, 0
		for _, r := range benchCreating(b, demandedRate*53/50) {
			if r.rate() >= demandedRate {
				fast++
				if r.overflows == 0 {
					clean++
				}
			}
		}
		b.ReportMetric(float64(fast), "rounds-fast-enough")
		b.ReportMetric(float64(clean), "of-them-without-overflow")
		if fast > 0 && clean == 0 {
			b.Errorf("each round of %d creations a second overflowed", demandedRate)
		}
	})
}

// A creation is a round in which files were created.
type creation struct {
	files     int
	took      time.Duration
	overflows uint64
}

func (c creation) rate() float64 { return float64(c.files) / c.took.Seconds() }

// benchCreating has four processes create files in a watched directory of each.
// It reports the rate, from the begin of the first process to the end of the
// last; what a creation costs here and there; and how many processors these
// processes and the watcher had together, for on a busy machine that is what
// limits the rate.
func benchCreating(b *testing.B, wanted int) (rounds []creation) {
	const creators, count = 4, 50_000
	dir := memDir(b)
	c := new(counter)
	w, stop := run(b, dir, c)
	defer stop()
	must(b, w.Barrier(b.Context()))
	n := 0
	var wall, ours, theirs time.Duration
	for b.Loop() {
		overflows := w.Stats().Overflows
		var prefixes []string
		for i := range creators {
			d := filepath.Join(dir, fmt.Sprint(n, "-", i))
			must(b, os.Mkdir(d, 0o755))
			prefixes = append(prefixes, d+"/f")
		}
		must(b, w.Barrier(b.Context()))
		told := c.told()
		start, cpu := time.Now(), cpuTime()
		theirs += floodWith(b, count, wanted, prefixes...)
		took := time.Since(start)
		must(b, w.Barrier(b.Context()))
		ours += cpuTime() - cpu
		wall += took
		rounds = append(rounds, creation{creators * count, took, w.Stats().Overflows - overflows})
		n += creators * count
		if got := c.told() - told; got < creators*count {
			b.Errorf("%d of %d files were told", got, creators*count)
		}
		for _, p := range prefixes {
			must(b, os.RemoveAll(filepath.Dir(p)))
		}
		must(b, w.Barrier(b.Context()))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(n)/wall.Seconds(), "creates/s")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(n), "cpu-ns/create")
	b.ReportMetric(float64(theirs.Nanoseconds())/float64(n), "creator-ns/create")
	b.ReportMetric((ours+theirs).Seconds()/wall.Seconds(), "processors")
	b.ReportMetric(float64(w.Stats().Overflows), "overflows")
	return rounds
}

// BenchmarkBigFile reports the processor time that a file of 1 GiB, written in
// pieces of 4 KiB by another process, costs the watcher.
func BenchmarkBigFile(b *testing.B) {
	dir := memDir(b)
	c := new(counter)
	w, stop := run(b, dir, c)
	defer stop()
	must(b, w.Barrier(b.Context()))
	cpu, n := cpuTime(), 0
	for b.Loop() {
		n++
		out := "of=" + filepath.Join(dir, "big")
		if out, err := exec.Command("dd", "if=/dev/zero", out, "bs=4k", "count=262144").CombinedOutput(); err != nil {
			b.Fatalf("%v %s", err, out)
		}
		must(b, w.Barrier(b.Context()))
	}
	b.ReportMetric((cpuTime()-cpu).Seconds()*1e3/float64(n), "cpu-ms/GiB")
	b.ReportMetric(float64(c.hints.Load())/float64(n), "hints/GiB")
}

// BenchmarkLatency reports the time from close to the hint.
func BenchmarkLatency(b *testing.B) {
	dir := b.TempDir()
	c := new(counter)
	hinted := make(chan time.Time, 16)
	c.onHint = func(_ string, cause Cause) {
		if cause == Closed {
			hinted <- time.Now()
		}
	}
	w, stop := run(b, dir, c)
	defer stop()
	must(b, w.Barrier(b.Context()))
	var took []time.Duration
	for b.Loop() {
		f, err := os.Create(filepath.Join(dir, "f"))
		must(b, err)
		time.Sleep(time.Millisecond)
		must(b, f.Close())
		closed := time.Now()
		took = append(took, (<-hinted).Sub(closed))
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkBarrier reports how long a barrier takes when nothing happens.
func BenchmarkBarrier(b *testing.B) {
	w, stop := run(b, b.TempDir(), new(counter))
	defer stop()
	must(b, w.Barrier(b.Context()))
	for b.Loop() {
		must(b, w.Barrier(b.Context()))
	}
}
