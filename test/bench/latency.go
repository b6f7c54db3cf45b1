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
	latencyFiles = 400
	latencyFirst = 10 // that are not counted: connections are made, code is loaded
)

// closeToUpload: how long after a writer has closed a file its upload begins,
// file by file with an agent that has nothing else to do. An upload has begun
// when the server has its request.
func closeToUpload(ctx context.Context, b *bench) error {
	for _, way := range []struct {
		name  string
		write func(path string, body []byte) (done time.Time, err error)
	}{
		{"written and closed", func(path string, body []byte) (time.Time, error) {
			err := os.WriteFile(path, body, 0o644)
			return time.Now(), err
		}},
		{"renamed into place", func(path string, body []byte) (time.Time, error) {
			part := filepath.Join(filepath.Dir(path), ".part-"+filepath.Base(path))
			err := errors.Join(os.WriteFile(part, body, 0o644), os.Rename(part, path))
			return time.Now(), err
		}},
	} {
		took, err := b.latencies(ctx, way.write)
		if err != nil {
			return err
		}
		slices.Sort(took)
		at := func(part float64) float64 { return took[int(float64(len(took)-1)*part)].Seconds() * 1e3 }
		fmt.Printf("  %-44s p50 %.1f ms, p99 %.1f ms, worst %.1f ms\n", way.name+", "+fmt.Sprint(len(took))+" files", at(0.5), at(0.99), at(1))
	}
	return nil
}

func (b *bench) latencies(ctx context.Context, write func(string, []byte) (time.Time, error)) ([]time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "latency-")
	if err != nil {
		return nil, err
	}
	w, err := b.world(0, dir)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	a, err := b.start(ctx, w)
	if err != nil {
		return nil, err
	}
	_, err = a.scanned()
	var took []time.Duration
	body := make([]byte, smallSize)
	for i := 0; i < latencyFirst+latencyFiles && err == nil; i++ {
		name := fmt.Sprintf("file-%04d", i)
		var done time.Time
		if done, err = write(filepath.Join(dir, name), body); err != nil {
			break
		}
		var began time.Time
		if began, err = w.putOf(ctx, name); err == nil && i >= latencyFirst {
			took = append(took, began.Sub(done))
		}
	}
	return took, errors.Join(err, a.stop())
}

// putOf waits until a key has been put, and says when its request came.
func (w *world) putOf(ctx context.Context, key string) (time.Time, error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; {
		// The agent and the server share a machine: no more looks than need be.
		time.Sleep(10 * time.Millisecond)
		for _, r := range w.OSS.Requests().Select(oss.PutObject) {
			if r.Key == key && r.Status == 200 {
				w.OSS.Requests().Reset()
				return r.Time, nil
			}
		}
	}
	return time.Time{}, errors.Join(ctx.Err(), fmt.Errorf("%s was not put within a minute", key))
}
