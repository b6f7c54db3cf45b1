// Command demo shows osssync at its main job, on real input, without Alibaba
// Cloud: it builds osssync, starts the sandbox, lets the agent watch a fresh
// directory, copies the Go standard library's source into it, edits, adds and
// renames files, restarts the agent, and compares every object with its file.
//
// It prints a short report, leaves nothing running and nothing behind, and
// exits non-zero if anything differs.
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
	src := flag.String("tree", "", "directory to copy into the watched one; by default the source of Go's standard library")
	keep := flag.Bool("keep", false, "keep the working directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *src, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// standardLibrary returns where Go keeps the source of its standard library.
func standardLibrary(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src"), nil
}

func run(ctx context.Context, src string, keep bool) error {
	if src == "" {
		var err error
		if src, err = standardLibrary(ctx); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "osssync-demo-")
	if err != nil {
		return err
	}
	if keep {
		fmt.Println("working directory:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	d := &demo{dir: dir, src: src, source: filepath.Join(dir, "watched")}
	step("building osssync")
	if err := d.build(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := d.play(ctx); err != nil {
		return fmt.Errorf("%w\nthe agent's log ends:\n%s", err, d.logTail())
	}
	fmt.Printf("all is well, in %.1f s\n", time.Since(start).Seconds())
	return nil
}

func step(format string, args ...any) { fmt.Printf("--- "+format+"\n", args...) }

// play is the demo proper: the main job from an empty directory to the last
// comparison.
func (d *demo) play(ctx context.Context) error {
	if err := d.startSandbox(); err != nil {
		return err
	}
	defer d.box.Close()
	defer d.stopAgent()
	for _, act := range []func(context.Context) error{
		d.arrive, d.change, d.restart, d.oneShots, d.compare,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}
