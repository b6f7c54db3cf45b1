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
	var client clientFlags
	client.define(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	act := func() error { return run(ctx, *only) }
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
	{"one 1 GiB file", largeFile},
	{"an unchanged tree", unchanged},
}

// A bench is one run: a working directory and the binary that is measured.
type bench struct {
	dir string
	bin string
}

func run(ctx context.Context, only string) error {
	dir, err := os.MkdirTemp("", "osssync-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, bin: filepath.Join(dir, "osssync")}
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
