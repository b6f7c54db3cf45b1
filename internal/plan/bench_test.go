package plan

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A void is a disk that has every file and an index that has none.
type void struct{}

func (void) Stat(string) (state.Version, error) {
	return state.Version{Size: 1, MTime: 2, CTime: 2, FileID: state.FileID{3}}, nil
}
func (void) Identity() (state.Identity, error)                                 { return state.Identity{Device: 1}, nil }
func (void) Present() error                                                    { return nil }
func (void) Lookup(context.Context, string) (*state.Entry, error)              { return nil, nil }
func (void) Dirs(context.Context, string) ([]string, error)                    { return nil, nil }
func (void) Files(context.Context, string, string, int) ([]state.Named, error) { return nil, nil }

func voidLane() (*Queue, *Lane) {
	q := NewQueue(Options{})
	return q, q.Lane(LaneOptions{
		Target: &upload.Target{Name: "job"}, Tree: void{}, Index: void{}, Renames: true,
		List: func(context.Context, string) (Listing, error) { return Listing{}, nil },
	})
}

// BenchmarkNextDone is a job's whole way through the queue: hint, look, decide,
// done, with 64 workers.
func BenchmarkNextDone(b *testing.B) {
	q, l := voidLane()
	paths := make([]string, 4096)
	for i := range paths {
		paths[i] = fmt.Sprintf("srv/data/d%02d/file-%06d.log", i%64, i)
	}
	var jobs atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				job, err := q.Next(context.Background())
				if err != nil {
					return
				}
				q.Done(job, upload.Result{Action: upload.Touch})
				jobs.Add(1)
			}
		})
	}
	b.ResetTimer()
	for i := 0; jobs.Load() < int64(b.N); i++ {
		l.Hint(paths[i%len(paths)], Moved)
	}
	q.Drain()
	wg.Wait()
	b.ReportMetric(float64(jobs.Load())/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkScanNextDone is the same for the files of a first scan.
func BenchmarkScanNextDone(b *testing.B) {
	q, l := voidLane()
	files := make([]File, 1000)
	for i := range files {
		files[i] = File{Name: fmt.Sprintf("file-%06d.log", i), Size: 1, MTime: 2, CTime: 2}
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				job, err := q.Next(context.Background())
				if err != nil {
					return
				}
				q.Done(job, upload.Result{Action: upload.Upload})
			}
		})
	}
	b.ResetTimer()
	for i := 0; i < b.N; i += len(files) {
		li := Listing{Dir: fmt.Sprint("srv/data/d", i), Files: files[:min(len(files), b.N-i)], Scan: 1}
		if err := l.Listed(context.Background(), li); err != nil {
			b.Fatal(err)
		}
	}
	q.Drain()
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkHint is a hint for a path that is waiting already.
func BenchmarkHint(b *testing.B) {
	_, l := voidLane()
	for b.Loop() {
		l.Hint("srv/data/file.log", Changed)
	}
}

// BenchmarkMillionPaths is the memory of a lane to which a million different
// paths are hinted, in a thousand directories, with nobody working.
func BenchmarkMillionPaths(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, l := voidLane()
		for i := range 1_000_000 {
			l.Hint(fmt.Sprintf("srv/data/d%03d/file-%07d.log", i%1000, i), Changed)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(l)
	}
}

// TestMillionPathsMemory holds the bound of BenchmarkMillionPaths.
func TestMillionPathsMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, l := voidLane()
	for i := range 300_000 {
		l.Hint(fmt.Sprintf("srv/data/d%03d/file-%07d.log", i%1000, i), Changed)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > 64<<20 {
		t.Errorf("%d MiB", got>>20)
	}
	if len(l.items) != maxActive || len(l.fill.dirs) != 1000 {
		t.Errorf("%d paths, %d directories", len(l.items), len(l.fill.dirs))
	}
}
