package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// parentOf is how many directories of a large tree share a parent.
const parentOf = 1000

// largeTree returns a tree of that many empty files in that many directories.
// It takes minutes to make, so it is kept in the cache for the next time.
func (b *bench) largeTree(ctx context.Context, files, dirs int) (string, error) {
	tree := filepath.Join(b.cache, fmt.Sprintf("tree-%d-%d", files, dirs))
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	fmt.Printf("  making %d files in %d directories below %s\n", files, dirs, b.cache)
	half := tree + ".half"
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	g, ctx := errgroup.WithContext(ctx)
	for w := range runtime.NumCPU() {
		g.Go(func() error {
			for d := w; d < dirs; d += runtime.NumCPU() {
				if err := makeDir(ctx, dirName(half, dirs, d), files*(d+1)/dirs-files*d/dirs); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	if err := exec.CommandContext(ctx, "sync").Run(); err != nil && ctx.Err() == nil {
		return "", err
	}
	return tree, os.Rename(half, tree)
}

func dirName(root string, dirs, d int) string {
	if dirs <= parentOf {
		return filepath.Join(root, fmt.Sprintf("dir-%06d", d))
	}
	return filepath.Join(root, fmt.Sprintf("part-%04d", d/parentOf), fmt.Sprintf("dir-%06d", d))
}

func makeDir(ctx context.Context, dir string, files int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range files {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("some-file-%06d.log", i)), os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// find walks a tree in the way that others look for changes, and says how
// long that took.
func find(ctx context.Context, dir string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "find", dir, "-type", "f", "-printf", "%s %T@\n")
	start := time.Now()
	err := cmd.Run()
	return time.Since(start), err
}
