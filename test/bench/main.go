// Command bench measures osssync beside what people would use instead, both
// in one run against one local server, and prints the ratios. The machine may
// be noisy; the ratio of two neighbours is less so.
//
// It judges nothing and never fails for a slow machine: docs/benchmarks.md
// says what the ratios should be.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	only := flag.String("run", "", "measure only what contains this")
	files := flag.Int("files", 1_000_000, "how many files the large trees have; with fewer, they have fewer directories too")
	cache := flag.String("cache", "", "directory that keeps the large trees; empty means osssync-bench in the user's cache")
	fill := flag.String("fill", "", "be the maker of an index in this directory: of the files at -path, in the bucket -base")
	var client clientFlags
	client.define(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	act := func() error { return run(ctx, *only, *files, *cache) }
	if *fill != "" {
		act = func() error { return fillIndex(ctx, *fill, client.path, client.base) }
	}
	if client.mode != "" {
		act = func() error { return client.run(ctx) }
	}
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// A measure compares osssync with something else.
type measure struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var measures = []measure{
	{"small files, 20 ms a request", smallFilesSlow},
	{"small files, local server", smallFilesFast},
	{"small files, 5 % of requests refused", throttled},
	{"one 1 GiB file", largeFile},
	{"one 4 GiB file", hugeFile},
	{"ten 1 GiB files", tenHugeFiles},
	{"one 4 GiB file and 10,000 small ones", mixed},
	{"an unchanged tree", unchanged},
	{"many unchanged files in 1,000 directories", wideTree},
	{"many unchanged files in 200,000 directories", bushyTree},
	{"close to upload", closeToUpload},
}

// A bench is one run: a working directory and the binary that is measured.
type bench struct {
	dir   string
	cache string // outlives the run
	files int    // in a large tree
	bin   string
	peak  int64 // resident memory that the last osssync used at most, bytes
}

func run(ctx context.Context, only string, files int, cache string) error {
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		cache = filepath.Join(user, "osssync-bench")
	}
	dir, err := os.MkdirTemp("", "osssync-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, cache: cache, files: files, bin: filepath.Join(dir, "osssync")}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.bin, "./cmd/osssync")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build osssync: %w", err)
	}
	for _, m := range measures {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Printf("\n%s\n", m.name)
		if err := m.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// A rate is how fast something was done.
type rate struct {
	what string
	n    float64 // files, or MiB
	unit string
	took time.Duration
	cpu  time.Duration // processor time, where it is measured
}

func (r rate) perSecond() float64 { return r.n / r.took.Seconds() }

func (r rate) String() string {
	return fmt.Sprintf("  %-44s %10.0f %s/s  (%.2f s)", r.what, r.perSecond(), r.unit, r.took.Seconds())
}

// against prints ours, and its ratio to each other rate.
func (r rate) against(others ...rate) {
	fmt.Println(r)
	for _, o := range others {
		fmt.Println(o)
		fmt.Printf("  %-44s %10.2f\n", "osssync / "+o.what, r.perSecond()/o.perSecond())
	}
}
