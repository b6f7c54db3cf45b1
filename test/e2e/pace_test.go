package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// bandwidth is a table of the configuration.
func bandwidth(limit string) map[string]map[string]any {
	return map[string]map[string]any{"agent": {"bandwidth": limit}}
}

// TestBandwidthChangedLive: all connections together send no more than the limit,
// small files and large ones, and a reload changes it for those that are under way.
func TestBandwidthChangedLive(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	job := f.job("docs", nil)
	f.configure(bandwidth("Mon-Sun 00:00,3MiB"), job)
	const files, large, limit = 40, 40 << 20, 3 << 20
	for i := range files {
		if err := writeRandom(filepath.Join(f.source("docs"), fmt.Sprint(i)), 1<<20, byte(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeRandom(filepath.Join(f.source("docs"), "large"), large, 1); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	d := start(t, f.file)
	c := d.control(f.box)
	sent := func() (n int64) {
		for _, r := range f.box.OSS.Requests().Entries() {
			if r.Op == oss.PutObject || r.Op == oss.UploadPart {
				n += r.In
			}
		}
		return n
	}
	waitFor(t, "10 MiB", func() bool { return sent() >= 10<<20 })
	if took := time.Since(begun); took < 2500*time.Millisecond {
		t.Errorf("10 MiB took %v at 3 MiB a second", took)
	}
	f.configure(bandwidth("off"), job)
	reloaded := time.Now()
	if _, err := c.Reload(within(t)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all of it", func() bool {
		diffs, err := f.box.Compare(f.source("docs"), "docs/")
		return err == nil && len(diffs) == 0
	})
	if took, slow := time.Since(reloaded), time.Duration(files<<20+large-10<<20)*time.Second/limit; took > slow*3/4 {
		t.Errorf("took %v after the limit had gone; with it, %v would have", took, slow)
	}
}

// TestNewestChangeFirst: what is written while a first scan sends thousands of
// files does not wait for them.
func TestNewestChangeFirst(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	const files = 6000
	for i := range files {
		write(t, filepath.Join(source, fmt.Sprint("d", i%20), fmt.Sprint(i)), "text")
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Latency: 50 * time.Millisecond})
	start(t, config)
	b.WaitFor(t, patience, func(have map[string]box.Object) bool { return len(have) > files/20 })
	write(t, filepath.Join(source, "now"), "written now")
	have := b.WaitForKeys(t, patience, "now")
	if len(have) > files/2 {
		t.Errorf("it arrived after %d of %d others", len(have)-1, files)
	}
}
