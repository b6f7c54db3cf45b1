package state

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var benchRows = flag.Int("rows", 100_000, "files in the index of BenchmarkIndex")

// BenchmarkIndex measures an index of -rows files, 30 to a directory, with
// names of 22 bytes. Every commit waits for the disk.
func BenchmarkIndex(b *testing.B) {
	dir := b.TempDir()
	b.Run("load", func(b *testing.B) { benchLoad(b, dir) })
	b.Run("open", func(b *testing.B) { benchOpen(b, dir) })
	b.Run("open-after-kill", func(b *testing.B) { benchOpenKilled(b, dir) })
	db := open(b, dir, Options{})
	r := openRoot(b, db, testKey)
	b.Run("walk", func(b *testing.B) { benchWalk(b, r) })
	b.Run("files", func(b *testing.B) { benchFiles(b, r) })
	b.Run("lookup", func(b *testing.B) {
		for b.Loop() {
			if e, err := r.Lookup(b.Context(), benchPath(rand.IntN(*benchRows))); e == nil || err != nil {
				b.Fatal(e, err)
			}
		}
	})
	b.Run("memory", benchMemory)
	for _, inFlight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("record-in-order-%d", inFlight), func(b *testing.B) {
			benchRecord(b, dir, r, inFlight, func(n int) int { return n % *benchRows })
		})
		b.Run(fmt.Sprintf("record-random-%d", inFlight), func(b *testing.B) {
			benchRecord(b, dir, r, inFlight, func(int) int { return rand.IntN(*benchRows) })
		})
	}
	b.Run("snapshot", func(b *testing.B) { benchEach(b, db.Snapshot) })
	b.Run("check", func(b *testing.B) { benchEach(b, db.Check) })
	b.Run("read-by-another", func(b *testing.B) { benchReader(b, dir, r) })
	b.Run("rebuild", func(b *testing.B) {
		benchEach(b, func(ctx context.Context) error { return db.order(ctx, db.gen, errDamaged) })
	})
	b.Run("memory-at-the-end", benchMemory)
}

func benchEach(b *testing.B, fn func(context.Context) error) {
	for b.Loop() {
		if err := fn(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func benchOpen(b *testing.B, dir string) {
	for b.Loop() {
		db := open(b, dir, Options{})
		firstAnswer(b, db)
		b.StopTimer()
		closeDB(b, db)
		b.StartTimer()
	}
}

func benchWalk(b *testing.B, r *Root) {
	n := 0
	for b.Loop() {
		if err := r.Walk(b.Context(), func(string, *Entry) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

// benchFiles reads as a rescan does, directory by directory.
func benchFiles(b *testing.B, r *Root) {
	n := 0
	for b.Loop() {
		for d := range *benchRows / 30 {
			list, err := r.Files(b.Context(), benchDir(d), "", 0)
			if err != nil {
				b.Fatal(err)
			}
			n += len(list)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

func benchDir(d int) string  { return fmt.Sprintf("data/project/dir-%06d", d) }
func benchPath(n int) string { return fmt.Sprintf("%s/file-%013d.txt", benchDir(n/30), n) }

func benchLoad(b *testing.B, dir string) {
	for b.Loop() {
		b.StopTimer()
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		db := open(b, dir, Options{})
		r := openRoot(b, db, testKey)
		b.StartTimer()
		for n := 0; n < *benchRows; {
			batch := make([]Located, min(5000, *benchRows-n))
			for i := range batch {
				batch[i] = Located{benchPath(n), entry(n)}
				n++
			}
			if err := r.RecordAll(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		closeDB(b, db)
		b.StartTimer()
	}
	b.ReportMetric(float64(*benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	st, err := os.Stat(filepath.Join(dir, indexName))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Size())/float64(*benchRows), "B/row")
}

func firstAnswer(b *testing.B, db *DB) {
	b.Helper()
	r := openRoot(b, db, testKey)
	if e, err := r.Lookup(b.Context(), benchPath(*benchRows/2)); e == nil || err != nil {
		b.Fatal(e, err)
	}
}

// benchOpenKilled opens what a process leaves that is killed with a log of
// 64 MiB, or what half of all rows fill of that.
func benchOpenKilled(b *testing.B, dir string) {
	image := b.TempDir()
	db := open(b, dir, Options{pragmas: "_pragma=wal_autocheckpoint(0)"})
	r := openRoot(b, db, testKey)
	wal := filepath.Join(dir, indexName+walSuffix)
	for n := 0; n < *benchRows/2; n += 1000 {
		var batch []Located
		for range 1000 {
			k := rand.IntN(*benchRows)
			batch = append(batch, Located{benchPath(k), entry(k)})
		}
		if err := r.RecordAll(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if st, err := os.Stat(wal); err == nil && st.Size() > 64<<20 {
			break
		}
	}
	st, err := os.Stat(wal)
	if err != nil {
		b.Fatal(err)
	}
	copyFiles(b, dir, image)
	closeDB(b, db)
	for b.Loop() {
		b.StopTimer()
		work := b.TempDir()
		copyFiles(b, image, work)
		b.StartTimer()
		db := open(b, work, Options{})
		firstAnswer(b, db)
		b.StopTimer()
		closeDB(b, db)
		os.RemoveAll(work)
		b.StartTimer()
	}
	b.ReportMetric(float64(st.Size())/(1<<20), "MiB-of-log")
}

// benchRecord has some callers record files one by one, each waiting for its
// own. By turns it does the same work as plainly as SQLite can: a loop that
// inserts rows, in transactions of 64, with nobody waiting. What a machine that
// is busy with other things does to the one it does to the other, so that the
// ratio tells more than the rates.
func benchRecord(b *testing.B, dir string, r *Root, inFlight int, pick func(n int) int) {
	const turn = 4096
	plain := newPlainLoop(b, dir)
	defer plain.c.close()
	var waits []time.Duration
	var took, cpu, plainTook, plainCPU time.Duration
	var wrote, commits int64
	b.ResetTimer()
	for n := 0; n < b.N; n += turn {
		picks := make([]int, min(turn, b.N-n))
		for i := range picks {
			picks[i] = pick(n + i)
		}
		wroteBefore, commitsBefore, start, used := written(b), r.db.commits.Load(), time.Now(), cpuTime()
		waits = append(waits, recordMany(b, r, inFlight, picks)...)
		took, cpu = took+time.Since(start), cpu+cpuTime()-used
		wrote, commits = wrote+written(b)-wroteBefore, commits+r.db.commits.Load()-commitsBefore
		b.StopTimer()
		start, used = time.Now(), cpuTime()
		plain.put(b, r, picks)
		plainTook, plainCPU = plainTook+time.Since(start), plainCPU+cpuTime()-used
		b.StartTimer()
	}
	b.StopTimer()
	slices.Sort(waits)
	ops := float64(b.N)
	b.ReportMetric(ops/took.Seconds(), "acks/s")
	b.ReportMetric(ops/plainTook.Seconds(), "plain-rows/s")
	b.ReportMetric(plainTook.Seconds()/took.Seconds(), "of-plain")
	b.ReportMetric(ops/float64(commits), "rows/commit")
	b.ReportMetric(cpu.Seconds()*1e6/ops, "CPU-µs/op")
	b.ReportMetric(plainCPU.Seconds()*1e6/ops, "plain-CPU-µs/op")
	b.ReportMetric(waits[len(waits)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(waits[len(waits)*99/100].Seconds()*1e3, "p99-ms")
	b.ReportMetric(float64(wrote)/ops, "B-written/row")
}

// recordMany records files from several goroutines and returns how long each
// of them took.
func recordMany(b *testing.B, r *Root, inFlight int, picks []int) []time.Duration {
	var next atomic.Int64
	waits := make([]time.Duration, len(picks))
	var wg sync.WaitGroup
	for range inFlight {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(picks) {
					return
				}
				e := entry(picks[i])
				e.CRC64 = uint64(i)
				start := time.Now()
				if err := r.Record(context.Background(), benchPath(picks[i]), e); err != nil {
					b.Error(err)
					return
				}
				waits[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return waits
}

// written returns how many bytes this process has written, to any file; 0
// where the system does not tell.
func written(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "wchar: ")
	number, _, _ := strings.Cut(after, "\n")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// benchReader opens the index, reads its counters and closes it, as status
// does, while files are being recorded.
func benchReader(b *testing.B, dir string, r *Root) {
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for ctx.Err() == nil {
				k := rand.IntN(*benchRows)
				r.Record(ctx, benchPath(k), entry(k))
			}
		})
	}
	var waits []time.Duration
	for b.Loop() {
		start := time.Now()
		reader, err := OpenReader(b.Context(), dir)
		if err != nil {
			b.Fatal(err)
		}
		v, err := reader.Root(b.Context(), testKey)
		if err != nil {
			b.Fatal(err)
		}
		if n, _, err := v.Count(b.Context()); n != int64(*benchRows) || err != nil {
			b.Fatal(n, err)
		}
		reader.Close()
		waits = append(waits, time.Since(start))
	}
	cancel()
	wg.Wait()
	slices.Sort(waits)
	b.ReportMetric(waits[len(waits)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(waits[len(waits)*99/100].Seconds()*1e3, "p99-ms")
}

// benchMemory reports what the process needs after all that, with the index
// open; most of it is caches that do not grow with the index.
func benchMemory(b *testing.B) {
	for b.Loop() {
		debug.FreeOSMemory()
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("NOT MEASURED: only Linux tells")
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(kib)/1024, "MiB-RSS")
}
