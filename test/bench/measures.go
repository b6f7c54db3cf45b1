package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
)

const (
	workers    = 64
	smallSize  = 4 << 10
	slowFiles  = 20_000
	fastFiles  = 20_000
	headFiles  = 600 // of a client that needs 13 ms for each
	largeBytes = 1 << 30
	partBytes  = 8 << 20
	quietFiles = 100_000
)

// A world is a sandbox whose bucket anybody may write to, for the clients that
// do not sign.
type world struct {
	*box.Box
	dir    string
	config string
}

func (b *bench) world(latency time.Duration, source string) (*world, error) {
	dir, err := os.MkdirTemp(b.dir, "world-")
	if err != nil {
		return nil, err
	}
	bx, err := box.New(filepath.Join(dir, "box"), box.Options{Latency: latency})
	if err != nil {
		return nil, err
	}
	if err := bx.OSS.SetBucketACL(bx.Bucket, "public-read-write"); err != nil {
		return nil, err
	}
	w := &world{bx, dir, filepath.Join(dir, "osssync.toml")}
	text := bx.Config(box.Job{"name": "bench", "source": source})
	return w, os.WriteFile(w.config, []byte(text), 0o644)
}

func (w *world) base() string { return w.OSSEndpoint + "/" + w.Bucket }

// A summary is what sync --json ends with.
type summary struct {
	Uploaded, Skipped, Failed, Bytes, Requests int64
	Seconds                                    float64
}

// sync makes one pass and says how long it took, from the process's start to
// its end, and how much processor time it used.
func (b *bench) sync(ctx context.Context, w *world, files int64) (wall, cpu time.Duration, err error) {
	cmd := exec.CommandContext(ctx, b.bin, "-c", w.config, "--log-level", "warn", "sync", "--json")
	cmd.Stderr = os.Stderr
	start := time.Now()
	out, err := cmd.Output()
	wall = time.Since(start)
	if err != nil {
		return 0, 0, fmt.Errorf("osssync sync: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var last struct{ Summary summary }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		return 0, 0, err
	}
	if last.Summary.Uploaded != files {
		return 0, 0, fmt.Errorf("osssync sync: %d files uploaded, not %d", last.Summary.Uploaded, files)
	}
	return wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// tree makes n files of size random bytes, in directories of 100.
func (b *bench) tree(n, size int) (dir string, paths []string, err error) {
	dir, err = os.MkdirTemp(b.dir, "tree-")
	if err != nil {
		return "", nil, err
	}
	rnd := rand.NewChaCha8([32]byte{byte(n)})
	body := make([]byte, size)
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("%04d", i/100), fmt.Sprintf("%06d", i))
		if i%100 == 0 {
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				return "", nil, err
			}
		}
		rnd.Read(body)
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return "", nil, err
		}
		paths = append(paths, path)
	}
	return dir, paths, nil
}

// smallFilesSlow: many small files against a server that takes 20 ms for each
// request, beside a loop that does nothing but put, and beside the way of
// cron with ossutil: HEAD before each PUT, three at a time.
func smallFilesSlow(ctx context.Context, b *bench) error {
	dir, paths, err := b.tree(slowFiles, smallSize)
	if err != nil {
		return err
	}
	w, err := b.world(20*time.Millisecond, dir)
	if err != nil {
		return err
	}
	defer w.Close()
	plain := rate{what: "plain loop, 64 at a time", n: slowFiles, unit: "files"}
	if plain.took, err = newPlain(w.base(), workers, false).files(ctx, paths, "plain-"); err != nil {
		return err
	}
	head := rate{what: "HEAD before PUT, 3 at a time", n: headFiles, unit: "files"}
	if head.took, err = newPlain(w.base(), 3, true).files(ctx, paths[:headFiles], "head-"); err != nil {
		return err
	}
	ours := rate{what: "osssync", n: slowFiles, unit: "files"}
	if ours.took, _, err = b.sync(ctx, w, slowFiles); err != nil {
		return err
	}
	ours.against(plain, head)
	return nil
}

// smallFilesFast: the same without the 20 ms, so that the processor is what
// everything waits for; the server takes its share of it too.
func smallFilesFast(ctx context.Context, b *bench) error {
	dir, paths, err := b.tree(fastFiles, smallSize)
	if err != nil {
		return err
	}
	w, err := b.world(0, dir)
	if err != nil {
		return err
	}
	defer w.Close()
	plain := rate{what: "plain loop, 64 at a time", n: fastFiles, unit: "files"}
	if plain.took, err = newPlain(w.base(), workers, false).files(ctx, paths, "plain-"); err != nil {
		return err
	}
	ours := rate{what: "osssync", n: fastFiles, unit: "files"}
	var cpu time.Duration
	if ours.took, cpu, err = b.sync(ctx, w, fastFiles); err != nil {
		return err
	}
	ours.against(plain)
	fmt.Printf("  %-44s %10.0f µs a file\n", "osssync, processor time", cpu.Seconds()*1e6/fastFiles)
	return nil
}

// largeFile: one file of 1 GiB beside a loop that puts it in parts of 8 MiB.
func largeFile(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp(b.dir, "large-")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "large")
	if err := random(path, largeBytes); err != nil {
		return err
	}
	w, err := b.world(0, dir)
	if err != nil {
		return err
	}
	defer w.Close()
	plain := rate{what: "plain loop, parts of 8 MiB, 8 at a time", n: largeBytes >> 20, unit: "MiB"}
	if plain.took, err = newPlain(w.base(), 8, false).multipart(ctx, path, "plain", partBytes); err != nil {
		return err
	}
	ours := rate{what: "osssync", n: largeBytes >> 20, unit: "MiB"}
	if ours.took, _, err = b.sync(ctx, w, 1); err != nil {
		return err
	}
	ours.against(plain)
	return nil
}

// unchanged: what it costs to find that nothing is to be done, beside find.
func unchanged(ctx context.Context, b *bench) error {
	dir, _, err := b.tree(quietFiles, 1)
	if err != nil {
		return err
	}
	w, err := b.world(0, dir)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, _, err = b.sync(ctx, w, quietFiles); err != nil {
		return err
	}
	before := w.Asked()
	ours := rate{what: "osssync sync", n: quietFiles, unit: "files"}
	if ours.took, _, err = b.sync(ctx, w, 0); err != nil {
		return err
	}
	find := rate{what: "find -type f -printf", n: quietFiles, unit: "files"}
	start := time.Now()
	if err := exec.CommandContext(ctx, "find", dir, "-type", "f", "-printf", "%s %T@\n").Run(); err != nil {
		return err
	}
	find.took = time.Since(start)
	ours.against(find)
	fmt.Printf("  %-44s %10d\n", "requests to OSS", w.Asked()-before)
	return nil
}

func random(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	rnd := rand.NewChaCha8([32]byte{1})
	buf := make([]byte, 1<<20)
	for ; size > 0; size -= int64(len(buf)) {
		rnd.Read(buf)
		if _, err := f.Write(buf); err != nil {
			return err
		}
	}
	return f.Close()
}
