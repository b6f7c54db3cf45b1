package e2e

import (
	"bytes"
	"fmt"
	"hash/crc64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

func TestRunFollowsChanges(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror", "settle": "50ms"}, nil)
	write(t, filepath.Join(source, "before.txt"), "there before the agent")
	d := start(t, config)
	waitMirror(t, b, source)

	write(t, filepath.Join(source, "a/b/c/d/deep.txt"), "made with its directories")
	write(t, filepath.Join(source, "before.txt"), "changed")
	write(t, filepath.Join(source, "空 格 100%+&.txt"), "a name to escape")
	waitMirror(t, b, source)

	for i := range 300 {
		write(t, filepath.Join(source, fmt.Sprintf("many/%d/%d.txt", i%7, i)), fmt.Sprint(i))
	}
	if err := os.Rename(filepath.Join(source, "a"), filepath.Join(source, "z")); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)

	write(t, filepath.Join(source, "z/b/later.txt"), "in a renamed directory")
	if err := os.RemoveAll(filepath.Join(source, "many/3")); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

func TestRestartSendsNothing(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	for i := range 500 {
		write(t, filepath.Join(source, fmt.Sprintf("%d/%d", i%10, i)), fmt.Sprint("file ", i))
	}
	d := start(t, config)
	waitMirror(t, b, source)
	d.stop(syscall.SIGTERM)

	before := b.Asked()
	d = start(t, config)
	d.waitLog("scanned")
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if n := b.Asked() - before; n != 0 {
		t.Errorf("%d requests to OSS for an unchanged tree", n)
	}
}

// TestGoneBetweenRuns removes, while no agent runs, directories that were made
// while one ran. What is left looks as it did before they were made.
func TestGoneBetweenRuns(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror"}, nil)
	for _, name := range []string{"keep", "d/keep"} {
		write(t, filepath.Join(source, name), name)
	}
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	if _, err := c.Rescan(within(t), nil); err != nil { // it finds all in order
		t.Fatal(err)
	}
	waitFor(t, "a second scan", func() bool { return statusOf(t, c, "docs").Watch.Scans == 2 })
	for _, name := range []string{"new/deep/file", "d/new/file"} {
		write(t, filepath.Join(source, name), name)
	}
	settle(t, c)
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after a wait %s", diff)
	}
	d.stop(syscall.SIGTERM)
	for _, name := range []string{"new", "d/new"} {
		if err := os.RemoveAll(filepath.Join(source, name)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, start(t, config).control(b))
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after the next run's first scan %s", diff)
	}
}

// TestEndInMidUpload ends the agent while large and small files are on their
// way, politely and not, and wants the next one to complete what was left.
func TestEndInMidUpload(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			b := box.Start(t, box.Options{})
			config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"stop_grace": "200ms"}})
			if err := writeRandom(filepath.Join(source, "large"), 60<<20, 1); err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				write(t, filepath.Join(source, fmt.Sprint(i)), fmt.Sprint("file ", i))
			}
			b.OSS.Faults().Add(oss.Fault{Bandwidth: 4 << 20})
			d := start(t, config)
			waitFor(t, "a first part", func() bool { return b.OSS.Requests().Count(oss.UploadPart) > 0 })
			begun := time.Now()
			code := d.stop(sig)
			if sig != syscall.SIGKILL && code != 0 {
				t.Errorf("exit code %d after %v", code, sig)
			}
			if took := time.Since(begun); took > 30*time.Second {
				t.Errorf("took %v to end", took)
			}
			b.OSS.Faults().Clear()
			start(t, config)
			waitMirror(t, b, source)
		})
	}
}

// TestNothingTorn rewrites files without pause while the agent uploads them.
// What a writer puts into a file is of one letter and its size belongs to the
// letter, so an object that mixes two states is of neither. Of a file that is
// written in place a first part is a state as well: it had no more for a moment.
func TestNothingTorn(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, restless, nil)
	start(t, config)
	nothingTorn(t, b, source)
}

// restless is a job that looks at files as often as it can.
var restless = box.Job{"settle": "1ms", "max_wait": "50ms"}

func nothingTorn(t *testing.T, b *box.Box, source string) {
	t.Helper()
	states := map[box.Object]bool{}
	const letters = 26
	sizes := func(i, scale int) int { return (i*7919%letters + 1) * scale }
	for _, scale := range []int{1 << 10, 1 << 20} {
		for i := range letters {
			body := strings.Repeat(string(rune('a'+i)), sizes(i, scale))
			states[box.Object{Size: int64(len(body)), CRC64: crc64.Checksum([]byte(body), crcTable)}] = true
		}
	}
	states[box.Object{}] = true // between truncation and the first write it is empty

	stop := make(chan struct{})
	var wg sync.WaitGroup
	rewrite := func(name string, scale int, how func(path, body string) error) {
		path := filepath.Join(source, name)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := how(path, strings.Repeat(string(rune('a'+i%letters)), sizes(i%letters, scale))); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	replace := func(path, body string) error {
		if err := os.WriteFile(path+".osssync-test", []byte(body), 0o644); err != nil {
			return err
		}
		return os.Rename(path+".osssync-test", path)
	}
	inPlace := func(path, body string) error { return os.WriteFile(path, []byte(body), 0o644) }
	wg.Go(func() { rewrite("replaced-small", 1<<10, replace) })
	wg.Go(func() { rewrite("replaced-large", 1<<20, replace) })
	wg.Go(func() { rewrite("rewritten-large", 1<<20, inPlace) })
	wg.Go(func() { rewrite("rewritten-small", 1<<10, inPlace) })

	seen := 0
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		seen += checkStates(t, b, states)
	}
	close(stop)
	wg.Wait()
	waitFor(t, "the last states", func() bool {
		checkStates(t, b, states)
		for _, name := range []string{"replaced-small", "replaced-large", "rewritten-small", "rewritten-large"} {
			crc, size := fileSum(filepath.Join(source, name))
			have, err := b.Objects()
			if err != nil || have[name].CRC64 != crc || have[name].Size != size {
				return false
			}
		}
		return true
	})
	if seen == 0 {
		t.Error("no object was seen while the files were rewritten")
	}
}

// checkStates fails the test for an object that is no state of its file.
func checkStates(t *testing.T, b *box.Box, states map[box.Object]bool) int {
	t.Helper()
	have, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for key, o := range have {
		if strings.HasSuffix(key, ".osssync-test") {
			continue // on its way to its name: may be any prefix once it is quiet
		}
		n++
		o := box.Object{Size: o.Size, CRC64: o.CRC64}
		if !states[o] && strings.HasPrefix(key, "rewritten") && isPrefix(o) {
			states[o] = true
		}
		if !states[o] {
			t.Errorf("object %s of %d bytes mixes two states of its file", key, o.Size)
		}
	}
	return n
}

// isPrefix reports whether an object is of one letter.
func isPrefix(o box.Object) bool {
	for i := range 26 {
		if crc64.Checksum(bytes.Repeat([]byte{byte('a' + i)}, int(o.Size)), crcTable) == o.CRC64 {
			return true
		}
	}
	return false
}
