package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
)

// memoryLimit is what the agent may take, at its largest.
const memoryLimit = 150 << 20

// startSandbox starts the local OSS and metadata service, and writes the
// configuration that the agent and the one-shots use.
func (d *demo) startSandbox() error {
	step("starting the sandbox: OSS and ECS metadata on loopback")
	var err error
	if d.box, err = box.New(filepath.Join(d.dir, "sandbox"), box.Options{}); err != nil {
		return err
	}
	if err := os.Mkdir(d.source, 0o755); err != nil {
		return err
	}
	d.config = filepath.Join(d.dir, "osssync.toml")
	text := d.box.Config(box.Job{"name": "demo", "source": d.source, "deletes": "mirror"})
	return os.WriteFile(d.config, []byte(text), 0o644)
}

// arrive copies the tree under the eyes of the agent and waits for every file.
func (d *demo) arrive(ctx context.Context) error {
	step("starting osssync run on an empty directory, then copying %s into it", d.src)
	if err := d.startAgent(ctx); err != nil {
		return err
	}
	start := time.Now()
	files, bytes, err := copyTree(d.src, d.source)
	if err != nil {
		return err
	}
	copied := time.Since(start)
	if err := d.settled(ctx); err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Printf("    %d files, %.1f MiB: copied in %.1f s, all in OSS after %.1f s; %d requests\n",
		files, float64(bytes)/(1<<20), copied.Seconds(), took.Seconds(), d.requests())
	return nil
}

// change edits, adds and renames files, and waits until OSS shows it.
func (d *demo) change(ctx context.Context) error {
	before, start := d.requests(), time.Now()
	edited, added, renamed, err := edit(d.source)
	if err != nil {
		return err
	}
	step("edited %d files, added %d, renamed %d", edited, added, renamed)
	if err := d.settled(ctx); err != nil {
		return err
	}
	fmt.Printf("    all in OSS after %.1f s; %d requests\n", time.Since(start).Seconds(), d.requests()-before)
	return nil
}

// restart stops the agent, starts it again and holds it to sending nothing.
func (d *demo) restart(ctx context.Context) error {
	step("restarting the agent")
	if err := d.stopAgent(); err != nil {
		return err
	}
	before, start := d.requests(), time.Now()
	if err := d.startAgent(ctx); err != nil {
		return err
	}
	err := d.until(ctx, "the first scan", 30*time.Second, func() bool { return d.logged("scanned") })
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := d.stopAgent(); err != nil {
		return err
	}
	if n := d.requests() - before; n != 0 {
		return fmt.Errorf("the restarted agent sent %d requests for an unchanged tree", n)
	}
	fmt.Printf("    looked at the whole tree in %.2f s and sent no request\n", took.Seconds())
	return nil
}

// oneShots makes a pass over the unchanged tree, and lists the bucket.
func (d *demo) oneShots(ctx context.Context) error {
	step("osssync sync, then osssync ls")
	oss, metadata := d.requests(), d.box.ECS.Requests().Count()
	out, err := d.osssync(ctx, "sync")
	if err != nil {
		return err
	}
	fmt.Print("    ", out)
	if n, m := d.requests()-oss, d.box.ECS.Requests().Count()-metadata; n != 0 || m != 0 {
		return fmt.Errorf("sync of an unchanged tree sent %d requests to OSS and %d to the metadata service", n, m)
	}
	if out, err = d.osssync(ctx, "ls", "-r"); err != nil {
		return err
	}
	want, err := sums(d.source)
	if err != nil {
		return err
	}
	keys := slices.DeleteFunc(strings.Split(strings.TrimSuffix(out, "\n"), "\n"), box.IsLease)
	if len(keys) != len(want) {
		return fmt.Errorf("ls lists %d objects for %d files", len(keys), len(want))
	}
	for _, key := range keys {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("ls lists %q, which is no file", key)
		}
	}
	fmt.Printf("    ls lists %d objects, each of them a file, and the agent's lease\n", len(keys))
	return nil
}

// compare holds every object against its file, and the agent to its memory.
func (d *demo) compare(context.Context) error {
	step("comparing every object with its file")
	want, err := sums(d.source)
	if err != nil {
		return err
	}
	if err := d.differs(want); err != nil {
		return err
	}
	var bytes int64
	for _, s := range want {
		bytes += s.size
	}
	fmt.Printf("    %d objects, %.1f MiB: every CRC-64 equal\n", len(want), float64(bytes)/(1<<20))
	if d.peak > 0 {
		fmt.Printf("    the agent took at most %.0f MiB of memory\n", float64(d.peak)/(1<<20))
	}
	if d.peak > memoryLimit {
		return errors.New("that is too much")
	}
	return nil
}

// settled waits until the bucket equals the directory.
func (d *demo) settled(ctx context.Context) error {
	want, err := sums(d.source)
	if err != nil {
		return err
	}
	var last error
	err = d.until(ctx, "the files to arrive", 45*time.Second, func() bool {
		last = d.differs(want)
		return last == nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// differs says how the bucket is not what the files are.
func (d *demo) differs(want map[string]sum) error {
	have, err := d.box.Objects()
	if err != nil {
		return err
	}
	if len(have) != len(want) {
		return fmt.Errorf("%d objects for %d files", len(have), len(want))
	}
	for key, s := range want {
		o, ok := have[key]
		if !ok {
			return fmt.Errorf("%s is not in the bucket", key)
		}
		if o.Size != s.size || o.CRC64 != s.crc {
			return fmt.Errorf("%s: object of %d bytes, crc64 %d; file of %d bytes, crc64 %d", key, o.Size, o.CRC64, s.size, s.crc)
		}
	}
	return nil
}

// requests returns how many requests OSS has had.
func (d *demo) requests() int64 { return d.box.Asked() }
