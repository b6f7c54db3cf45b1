package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
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
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	m := watchMemory(cmd.Process.Pid)
	err = cmd.Wait()
	wall, b.peak = time.Since(start), m.end()
	if err != nil {
		return 0, 0, fmt.Errorf("osssync sync: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
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
func (b *bench) tree(n, size int) (dir string, err error) {
	dir, err = os.MkdirTemp(b.dir, "tree-")
	if err != nil {
		return "", err
	}
	rnd := rand.NewChaCha8([32]byte{byte(n)})
	body := make([]byte, size)
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("%04d", i/100), fmt.Sprintf("%06d", i))
		if i%100 == 0 {
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				return "", err
			}
		}
		rnd.Read(body)
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// smallFilesSlow: many small files against a server that takes 20 ms for each
// request, beside a loop that does nothing but put, beside one that asks HEAD
// before each PUT, one that does so with the service's SDK, and beside the way of
// cron with ossutil: that, three at a time.
// Each has a server of its own, for one that holds much is slower.
func smallFilesSlow(ctx context.Context, b *bench) error {
	dir, err := b.tree(slowFiles, smallSize)
	if err != nil {
		return err
	}
	client := func(c clientFlags) func(w *world) (wall, cpu time.Duration, err error) {
		return func(w *world) (time.Duration, time.Duration, error) {
			c.base, c.path, c.region, c.grant = w.base(), dir, w.Region, w.grant()
			return c.start(ctx)
		}
	}
	ours := rate{what: "osssync", n: slowFiles, unit: "files"}
	plain := rate{what: "plain loop, 64 at a time", n: slowFiles, unit: "files"}
	heads := rate{what: "HEAD before PUT, 64 at a time", n: slowFiles, unit: "files"}
	sdk := rate{what: "HEAD before PUT by the SDK, 64 at a time", n: slowFiles, unit: "files"}
	head := rate{what: "HEAD before PUT, 3 at a time", n: headFiles, unit: "files"}
	for _, r := range []struct {
		*rate
		do func(w *world) (wall, cpu time.Duration, err error)
	}{
		{&plain, client(clientFlags{mode: "files", workers: workers})},
		{&ours, func(w *world) (time.Duration, time.Duration, error) { return b.sync(ctx, w, slowFiles) }},
		{&heads, client(clientFlags{mode: "files", workers: workers, head: true})},
		{&sdk, client(clientFlags{mode: "sdk", workers: workers})},
		{&head, client(clientFlags{mode: "files", workers: 3, limit: headFiles, head: true})},
	} {
		if r.took, r.cpu, err = b.round(20*time.Millisecond, dir, r.do); err != nil {
			return err
		}
	}
	ours.against(plain, heads, sdk, head)
	return nil
}

// smallFilesFast: the same without the 20 ms, so that the processor is what
// everything waits for; the server takes its share of it too. In turns, for
// what one leaves to be written to disk slows the next one down.
func smallFilesFast(ctx context.Context, b *bench) error {
	dir, err := b.tree(fastFiles, smallSize)
	if err != nil {
		return err
	}
	plain := rate{what: "plain loop, 64 at a time", n: fastFiles, unit: "files"}
	ours := rate{what: "osssync", n: fastFiles, unit: "files"}
	var took, cpu [2][]time.Duration
	for range 5 {
		for i, do := range []func(w *world) (wall, cpu time.Duration, err error){
			func(w *world) (time.Duration, time.Duration, error) {
				return clientFlags{mode: "files", base: w.base(), path: dir, workers: workers}.start(ctx)
			},
			func(w *world) (time.Duration, time.Duration, error) { return b.sync(ctx, w, fastFiles) },
		} {
			wall, used, err := b.round(0, dir, do)
			if err != nil {
				return err
			}
			took[i], cpu[i] = append(took[i], wall), append(cpu[i], used)
		}
	}
	plain.took, plain.cpu = median(took[0]), median(cpu[0])
	ours.took, ours.cpu = median(took[1]), median(cpu[1])
	ours.against(plain)
	for _, r := range []rate{ours, plain} {
		fmt.Printf("  %-44s %10.0f µs a file\n", r.what+", processor time", r.cpu.Seconds()*1e6/r.n)
	}
	fmt.Printf("  %-44s %10.2f\n", "osssync / "+plain.what+", processor time", ours.cpu.Seconds()/plain.cpu.Seconds())
	return nil
}

// largeFile: one file of 1 GiB beside a loop that puts it in parts of 8 MiB,
// in turns, for what one leaves to be written to disk slows the next one down.
func largeFile(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp(b.dir, "large-")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "large")
	if err := random(path, largeBytes); err != nil {
		return err
	}
	plain := rate{what: "plain loop, parts of 8 MiB, 8 at a time", n: largeBytes >> 20, unit: "MiB"}
	ours := rate{what: "osssync", n: largeBytes >> 20, unit: "MiB"}
	var plainTook, oursTook []time.Duration
	for range 3 {
		took, _, err := b.round(0, dir, func(w *world) (time.Duration, time.Duration, error) {
			return clientFlags{mode: "multipart", base: w.base(), path: path, workers: 8}.start(ctx)
		})
		if err != nil {
			return err
		}
		plainTook = append(plainTook, took)
		took, _, err = b.round(0, dir, func(w *world) (time.Duration, time.Duration, error) { return b.sync(ctx, w, 1) })
		if err != nil {
			return err
		}
		oursTook = append(oursTook, took)
	}
	plain.took, ours.took = median(plainTook), median(oursTook)
	ours.against(plain)
	return nil
}

// round does something in a world of its own, and waits until the disk is
// quiet again.
func (b *bench) round(latency time.Duration, source string, do func(*world) (wall, cpu time.Duration, err error)) (wall, cpu time.Duration, err error) {
	debug.FreeOSMemory() // what the server of the last round left
	w, err := b.world(latency, source)
	if err != nil {
		return 0, 0, err
	}
	wall, cpu, err = do(w)
	err = errors.Join(err, w.Close(), os.RemoveAll(w.dir))
	return wall, cpu, errors.Join(err, exec.Command("sync").Run())
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// unchanged: what it costs to find that nothing is to be done, beside find.
func unchanged(ctx context.Context, b *bench) error {
	dir, err := b.tree(quietFiles, 1)
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
