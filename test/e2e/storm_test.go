package e2e

import (
	"flag"
	"fmt"
	"hash/crc64"
	"maps"
	"math/rand/v2"
	"os"
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
	stormFiles = flag.Int("storm.files", 300, "files of the test in which everything goes wrong at once; the figure of record is 10000")
	aloneFiles = flag.Int("storm.alone", 60, "files of the tests in which one thing goes wrong again and again; the figure of record is 10000")
)

// storm is everything that can go wrong with a request, each to one in twenty.
// What an agent answers with a wait of seconds is counted, for a test must end.
func storm() map[string]oss.Fault {
	const rate = 0.05
	return map[string]oss.Fault{
		"unavailable":       {Status: 503, Code: "ServiceUnavailable", Rate: rate},
		"internal error":    {Status: 500, Code: "InternalError", Rate: rate},
		"throttled":         {Status: 503, Code: "TotalQpsLimitExceeded", Header: map[string]string{"x-oss-qos-delay-time": "20"}, Rate: rate},
		"html":              {Status: 502, Body: "<html><body>502 Bad Gateway</body></html>", Rate: rate},
		"redirect":          {Status: 302, Redirect: "http://127.0.0.1:1/", Rate: rate},
		"too many requests": {Status: 429, Code: "TooManyRequests", Rate: rate},
		"expired token":     {Token: oss.TokenExpired, Rate: rate, Count: 5},
		"invalid token":     {Token: oss.TokenInvalid, Rate: rate, Count: 5},
		"skew":              {Skew: 20 * time.Minute, Rate: rate, Count: 20},
		"reset before":      {Reset: oss.ResetBefore, Rate: rate},
		"reset in request":  {Reset: oss.ResetRequest, Rate: rate},
		"reset after":       {Reset: oss.ResetAfter, Rate: rate},
		"reset in response": {Reset: oss.ResetResponse, Rate: rate},
		"reply lost":        {LoseReply: true, Rate: rate},
		"truncated":         {Truncate: true, Rate: rate},
		"wrong crc":         {CRC: oss.CRCWrong, Rate: rate},
		"no crc":            {CRC: oss.CRCMissing, Rate: rate},
		"latency":           {Latency: 100 * time.Millisecond, Rate: rate},
		"slow line":         {Bandwidth: 1 << 20, Rate: rate},
		"hangs":             {Hang: true, Rate: rate, Count: 3},
	}
}

// A generation is what a file of the storm holds at a time: one letter, and as
// much of it as the letter and the file say.
func generation(file, g int) string {
	size := 100 + (file*31+g*977)%8000
	if file%400 == 0 {
		size += 9 << 20 // more than one part
	}
	return strings.Repeat(string(rune('a'+(file+g)%26)), size)
}

// TestStorm replaces files while every fault of the server happens at once. In
// the end the bucket is what the directory is, and whoever looked meanwhile saw
// no object that was not one state of its file.
func TestStorm(t *testing.T) {
	t.Parallel()
	testStorm(t, *stormFiles, slices.Collect(maps.Values(storm()))...)
}

// TestStormAlone is TestStorm with one fault at a time.
func TestStormAlone(t *testing.T) {
	t.Parallel()
	for name, fault := range storm() {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			testStorm(t, *aloneFiles, fault)
		})
	}
}

// A sea is a directory in which files are replaced, and all that they ever were.
type sea struct {
	dir    string
	files  int
	states map[string]map[box.Object]bool // by key
}

const generations = 4 // of each file, at most

func newSea(t *testing.T, dir string, files int) *sea {
	t.Helper()
	s := &sea{dir, files, map[string]map[box.Object]bool{}}
	for d := range 20 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("%02d", d)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file := range files {
		possible := map[box.Object]bool{}
		for g := range generations {
			body := generation(file, g)
			possible[box.Object{Size: int64(len(body)), CRC64: crc64.Checksum([]byte(body), crcTable)}] = true
		}
		s.states[fmt.Sprintf("%02d/%d", file%20, file)] = possible
		if err := s.put(file, 0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// put replaces a file.
func (s *sea) put(file, g int) error {
	path := filepath.Join(s.dir, fmt.Sprintf("%02d", file%20), fmt.Sprint(file))
	if err := os.WriteFile(path+".new", []byte(generation(file, g)), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func testStorm(t *testing.T, files int, faults ...oss.Fault) {
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"settle": "1ms", "filter": []string{"- *.new"}}, nil)
	s := newSea(t, source, files)
	for _, f := range faults {
		b.OSS.Faults().Add(f)
	}
	start(t, config)

	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan struct{})
	defer close(ended)
	wg.Go(func() { // somebody who looks, from the begin to the end
		for {
			begun := time.Now()
			s.look(t, b)
			select {
			case <-ended:
				return
			case <-time.After(max(50*time.Millisecond, time.Since(begun))):
			}
		}
	})
	for g := 1; g < generations; g++ {
		for _, file := range rand.Perm(files)[:files/2] {
			if err := s.put(file, g); err != nil {
				t.Fatal(err)
			}
		}
	}
	happened := func() bool {
		return !slices.ContainsFunc(b.OSS.Faults().List(), func(f oss.Injected) bool { return f.Hits == 0 })
	}
	deadline := time.Now().Add(patience + time.Duration(files)*20*time.Millisecond)
	for g := 0; ; g = (g + 1) % generations {
		for _, f := range b.OSS.Faults().List() {
			if f.Fault.Hang && f.Hits > 0 { // nobody waits for the time-out
				b.OSS.Faults().Remove(f.ID)
			}
		}
		diff := differs(t, b, source)
		if diff == "" && happened() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bucket does not equal the directory: %q; faults %+v", diff, b.OSS.Faults().List())
		}
		if diff == "" { // of few files, a fault may not have met any: more of them
			if err := s.put(rand.IntN(files), g); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// look fails the test for an object that never was what its file held.
func (s *sea) look(t *testing.T, b *box.Box) {
	t.Helper()
	have, err := b.Objects()
	if err != nil {
		t.Error(err)
	}
	for key, o := range have {
		if !s.states[key][box.Object{Size: o.Size, CRC64: o.CRC64}] {
			t.Errorf("object %s of %d bytes is no state of its file", key, o.Size)
		}
	}
}
