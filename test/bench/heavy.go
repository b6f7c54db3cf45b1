package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/osssync/osssync/test/sandbox/oss"
)

const (
	hugeBytes  = 4 << 30
	tenBytes   = 1 << 30 // of each of ten files
	mixedFiles = 10_000
	worstRate  = 0.05 // of requests that are refused
)

// throttled: many small files against a server that takes 20 ms for each
// request and refuses one in twenty, beside a loop that is never refused.
func throttled(ctx context.Context, b *bench) error {
	dir, err := b.tree(slowFiles, smallSize)
	if err != nil {
		return err
	}
	w, err := b.world(20*time.Millisecond, dir)
	if err != nil {
		return err
	}
	defer w.Close()
	plain := rate{what: "plain loop, 64 at a time, never refused", n: slowFiles, unit: "files"}
	if plain.took, plain.cpu, err = (clientFlags{mode: "files", base: w.base(), path: dir, workers: workers}).start(ctx); err != nil {
		return err
	}
	w.OSS.Faults().Add(oss.Fault{Status: 503, Code: "ServiceUnavailable", Rate: worstRate})
	ours := rate{what: "osssync, 5 % of requests refused", n: slowFiles, unit: "files"}
	if ours.took, _, err = b.sync(ctx, w, slowFiles); err != nil {
		return err
	}
	ours.against(plain)
	return nil
}

// hugeFile: one file of 4 GiB beside a loop that puts it in parts of 8 MiB,
// and the memory that it takes.
func hugeFile(ctx context.Context, b *bench) error {
	return b.hugeFiles(ctx, 1, hugeBytes)
}

// tenHugeFiles: the same with ten files at once.
func tenHugeFiles(ctx context.Context, b *bench) error {
	return b.hugeFiles(ctx, 10, tenBytes)
}

func (b *bench) hugeFiles(ctx context.Context, files int, size int64) error {
	dir, err := os.MkdirTemp(b.dir, "huge-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var paths []string
	for i := range files {
		paths = append(paths, filepath.Join(dir, fmt.Sprint("huge-", i)))
		if err := random(paths[i], size); err != nil {
			return err
		}
	}
	mib := float64(size>>20) * float64(files)
	plain := rate{what: "plain loop, parts of 8 MiB, 8 at a time", n: mib, unit: "MiB"}
	plain.took, _, err = b.round(0, dir, func(w *world) (time.Duration, time.Duration, error) {
		begun := time.Now()
		for _, path := range paths {
			if _, _, err := (clientFlags{mode: "multipart", base: w.base(), path: path, workers: 8}).start(ctx); err != nil {
				return 0, 0, err
			}
		}
		return time.Since(begun), 0, nil
	})
	if err != nil {
		return err
	}
	ours := rate{what: "osssync", n: mib, unit: "MiB"}
	ours.took, _, err = b.round(0, dir, func(w *world) (time.Duration, time.Duration, error) { return b.sync(ctx, w, int64(files)) })
	if err != nil {
		return err
	}
	ours.against(plain)
	fmt.Printf("  %-44s %10.0f MiB\n", "osssync, memory at most", float64(b.peak)/(1<<20))
	return nil
}

// mixed: one file of 4 GiB and 10,000 small ones, and when the last of the
// small ones arrives, beside what they take alone.
func mixed(ctx context.Context, b *bench) error {
	dir, err := b.tree(mixedFiles, smallSize)
	if err != nil {
		return err
	}
	alone, err := b.lastSmall(ctx, dir, mixedFiles)
	if err != nil {
		return err
	}
	huge := filepath.Join(dir, "0000", "huge")
	if err := random(huge, hugeBytes); err != nil {
		return err
	}
	defer os.Remove(huge)
	beside, err := b.lastSmall(ctx, dir, mixedFiles+1)
	if err != nil {
		return err
	}
	fmt.Printf("  %-44s %10.2f s\n", "last small file, alone", alone.Seconds())
	fmt.Printf("  %-44s %10.2f s\n", "last small file, beside one of 4 GiB", beside.Seconds())
	fmt.Printf("  %-44s %10.2f\n", "beside / alone", beside.Seconds()/alone.Seconds())
	return nil
}

// lastSmall syncs a tree to a fresh bucket and returns when the last small file
// had been put.
func (b *bench) lastSmall(ctx context.Context, dir string, files int64) (time.Duration, error) {
	w, err := b.world(20*time.Millisecond, dir)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	_, _, err = b.sync(ctx, w, files)
	var puts []time.Duration
	for _, r := range w.OSS.Requests().Entries() {
		if r.Op == oss.PutObject && r.Status == 200 {
			puts = append(puts, r.Time.Add(r.Took).Sub(begun))
		}
	}
	if err == nil && len(puts) == 0 {
		err = errors.New("the request log has no put")
	}
	err = errors.Join(err, w.Close(), os.RemoveAll(w.dir))
	if err != nil {
		return 0, err
	}
	return slices.Max(puts), nil
}
