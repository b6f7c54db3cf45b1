package e2e

import (
	"context"
	"flag"
	"fmt"
	"hash/crc64"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

var (
	watchFull  = flag.Bool("watch.full", false, "tests of settling take as long as in earnest: a writer 30 s, a log 3 min")
	watchFlood = flag.Int("watch.flood", 2000, "how many files four processes create at full speed")
)

// TestPausingWriter writes a file with pauses that are longer than settle. It
// is sent once, when its writer has closed it.
func TestPausingWriter(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	quiet, pieces := 100*time.Millisecond, 12
	if *watchFull {
		quiet = time.Second
	}
	config, source := configure(t, b, box.Job{"settle": quiet.String(), "max_wait": "0s"}, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	f, err := os.Create(filepath.Join(source, "report"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range pieces {
		if _, err := fmt.Fprintf(f, "piece %d\n", i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(quiet * 5 / 2)
	}
	if puts := putsOf(b, "report"); len(puts) != 0 {
		t.Errorf("puts before the file was closed: %+v", puts)
	}
	closing := time.Now()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
	settle(t, c)
	puts := putsOf(b, "report")
	if len(puts) != 1 || puts[0].Time.Before(closing) {
		t.Errorf("puts of one file, closed at %v: %+v", closing, puts)
	}
}

// putsOf returns the puts of one key: the agent's lease is put as well.
func putsOf(b *box.Box, key string) []oss.Request {
	return slices.DeleteFunc(b.OSS.Requests().Select(oss.PutObject), func(r oss.Request) bool { return r.Key != key })
}

// TestLogThatStaysOpen appends to a log every 10 ms and keeps it open. It is
// sent about once per max_wait, each time as it was at one moment, and in its
// last state when it has been closed.
func TestLogThatStaysOpen(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	wait, long := time.Second, 8*time.Second
	if *watchFull {
		wait, long = 10*time.Second, 3*time.Minute
	}
	config, source := configure(t, b, box.Job{"settle": "100ms", "max_wait": wait.String()}, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	path := filepath.Join(source, "app.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	look, looked := lookAtObject(t, b, "app.log", wait/20)
	begun := time.Now()
	for i := 0; time.Since(begun) < long; i++ {
		if _, err := fmt.Fprintf(f, "%08d %s\n", i, strings.Repeat("x", i%97)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(begun)
	close(look)
	seen := <-looked
	puts := len(putsOf(b, "app.log"))
	// A busy machine may come late to a snapshot, but never too often.
	if most := int(took/wait) + 1; puts < most/4 || puts > most {
		t.Errorf("%d puts in %v of a log that is to be sent every %v", puts, took, wait)
	}
	t.Logf("%d puts in %v, %d of them seen", puts, took, len(seen))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 {
		t.Error("no object was seen while the log was open")
	}
	for o := range seen {
		if o.Size > int64(len(whole)) || crc64.Checksum(whole[:o.Size], crcTable) != o.CRC64 {
			t.Errorf("an object of %d bytes is no beginning of the log", o.Size)
		}
	}
}

// TestAppendedAndClosed opens a log, appends a line and closes it, every 10 ms.
// Each close says that it is whole, and yet it is sent ever less often; its last
// state arrives.
func TestAppendedAndClosed(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	long := 6 * time.Second
	if *watchFull {
		long = time.Minute
	}
	config, source := configure(t, b, nil, nil)
	c := start(t, config).control(b)
	settle(t, c)
	path := filepath.Join(source, "app.log")
	begun, lines := time.Now(), 0
	for ; time.Since(begun) < long; lines++ {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(f, "line %d\n", lines); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(begun)
	puts := len(putsOf(b, "app.log"))
	// The pauses are 250 ms, twice that, and so on.
	most := 2 + bits.Len(uint(took/(250*time.Millisecond)))
	if puts < 2 || puts > most {
		t.Errorf("%d puts of a log that was closed %d times in %v, want 2 to %d", puts, lines, took, most)
	}
	t.Logf("%d puts of a log that was closed %d times in %v", puts, lines, took)
	settle(t, c)
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after the last line and a wait %s", diff)
	}
}

// lookAtObject looks at an object again and again until stop is closed, and
// then hands over every state of it that was seen.
func lookAtObject(t *testing.T, b *box.Box, key string, every time.Duration) (stop chan struct{}, seen chan map[box.Object]bool) {
	stop, seen = make(chan struct{}), make(chan map[box.Object]bool, 1)
	go func() {
		states := map[box.Object]bool{}
		defer func() { seen <- states }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(every):
			}
			have, err := b.Objects()
			if err != nil {
				t.Error(err)
				return
			}
			if o, ok := have[key]; ok {
				states[box.Object{Size: o.Size, CRC64: o.CRC64}] = true
			}
		}
	}()
	return stop, seen
}

// TestFlood has four processes create files as fast as they can: all arrive.
func TestFlood(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	const script = `i=0; mkdir "$1"; while [ $i -lt $2 ]; do : > "$1/$i"; i=$((i+1)); done`
	var wg sync.WaitGroup
	begun := time.Now()
	for p := range 4 {
		wg.Go(func() {
			dir := filepath.Join(source, fmt.Sprint("p", p))
			if out, err := exec.Command("sh", "-c", script, "sh", dir, fmt.Sprint(*watchFlood/4)).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	t.Logf("%.0f files/s", float64(*watchFlood)/time.Since(begun).Seconds())
	ctx, cancel := context.WithTimeout(t.Context(), patience+time.Duration(*watchFlood)*10*time.Millisecond)
	defer cancel()
	r, err := c.Wait(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("all verified after %v", time.Since(begun))
	have, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != *watchFlood || r.Jobs[0].Files != int64(*watchFlood) || r.Jobs[0].FailedFiles != 0 {
		t.Errorf("%d of %d files arrived, receipt %+v", len(have), *watchFlood, r.Jobs)
	}
	st := statusOf(t, c, "docs")
	t.Logf("%d overflows, %d scans", st.Watch.Overflows, st.Watch.Scans)
}

// allKeys returns the keys in the bucket, with a space between them.
func allKeys(t *testing.T, b *box.Box) string {
	t.Helper()
	have, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for k := range have {
		all = append(all, k)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestExcludedAndBack renames a directory into a name that the filter leaves
// out, and back. While it is out nothing of it is sent; when it is back, all
// that happened in it meanwhile is.
func TestExcludedAndBack(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"filter": []string{"- /cache/"}, "deletes": "mirror"}, nil)
	write(t, filepath.Join(source, "cache/a"), "1")
	write(t, filepath.Join(source, "b"), "2")
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	holds := func(want string) {
		t.Helper()
		waitFor(t, "the objects "+want, func() bool { return allKeys(t, b) == want })
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(source, from), filepath.Join(source, to)); err != nil {
			t.Fatal(err)
		}
	}
	holds("b")
	move("cache", "kept")
	holds("b kept/a")
	write(t, filepath.Join(source, "kept/c"), "3")
	holds("b kept/a kept/c")
	move("kept", "cache")
	holds("b")
	write(t, filepath.Join(source, "cache/d"), "4")
	settle(t, c)
	if got := allKeys(t, b); got != "b" {
		t.Errorf("objects %s, want b", got)
	}
	move("cache", "again")
	holds("again/a again/c again/d b")
}

// TestHostilePaths sends what file systems allow and others choke on. What no
// key can say fails, is told, and is in nobody's way.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	long := strings.Repeat("n", 255)
	for _, path := range []string{"new\nline", long, "a/" + long, "..x/...", "-rf", " ", "*?[", "a\\b", "#12"} {
		write(t, filepath.Join(source, path), "content of "+path)
	}
	sparse, err := os.Create(filepath.Join(source, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sparse.WriteAt([]byte("end"), 32<<20); err != nil {
		t.Fatal(err)
	}
	if err := sparse.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "one"), "one")
	if err := os.Link(filepath.Join(source, "one"), filepath.Join(source, "two")); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
	settle(t, c)

	deep := source + strings.Repeat("/"+strings.Repeat("d", 239), 15) // a path of some 3,700 bytes
	write(t, filepath.Join(deep, "f"), "deep")
	write(t, filepath.Join(source, "not \xff UTF-8"), "x")
	write(t, filepath.Join(source, "last"), "last")
	b.WaitForKeys(t, patience, "last")
	waitFor(t, "both failures to be told", func() bool {
		st := statusOf(t, c, "docs")
		return st.FailedFiles == 2 && len(st.Failed) == 2 && strings.Contains(st.Failed[0].Error, "key") && strings.Contains(st.Failed[1].Error, "key")
	})
}

// TestFifoSwappedIn puts a FIFO where a file was. Nobody may hang at it.
func TestFifoSwappedIn(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	d := start(t, config)
	c := d.control(b)
	path := filepath.Join(source, "pipe")
	for i := range 5 {
		write(t, path, fmt.Sprint("file ", i))
		if i%2 == 0 {
			settle(t, c)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mkfifo", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		settle(t, c)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(source, "after"), "x")
	settle(t, c)
	b.WaitForKeys(t, patience, "after")
}

// TestTimesSetBack changes a file and sets its times back to what they were,
// and to the year 2100, and to before 1970, as a clock that jumps does.
func TestTimesSetBack(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	path := filepath.Join(source, "f")
	write(t, path, "one")
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []time.Time{fi.ModTime(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1e9, 0), fi.ModTime()} {
		text := fmt.Sprintf("t%02d", i) // of the same size
		write(t, path, text)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		settle(t, c)
		have, err := b.Objects()
		if err != nil {
			t.Fatal(err)
		}
		if want := crc64.Checksum([]byte(text), crcTable); have["f"].CRC64 != want {
			t.Errorf("the object is not %q, with the times set to %v", text, at)
		}
	}
}
