package e2e

import (
	"flag"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

var stormFiles = flag.Int("storm.files", 300, "files of the test in which everything goes wrong at once")

// storm is everything that can go wrong with a request, each to one in twenty.
// What an agent answers with a wait of seconds is counted, for a test must end.
func storm() []oss.Fault {
	const rate = 0.05
	return []oss.Fault{
		{Status: 503, Code: "ServiceUnavailable", Rate: rate},
		{Status: 500, Code: "InternalError", Rate: rate},
		{Status: 503, Code: "TotalQpsLimitExceeded", Header: map[string]string{"x-oss-qos-delay-time": "20"}, Rate: rate},
		{Status: 502, Body: "<html><body>502 Bad Gateway</body></html>", Rate: rate},
		{Status: 302, Redirect: "http://127.0.0.1:1/", Rate: rate},
		{Status: 429, Code: "TooManyRequests", Rate: rate},
		{Token: oss.TokenExpired, Rate: rate, Count: 5},
		{Skew: 20 * time.Minute, Rate: rate, Count: 20},
		{Reset: oss.ResetBefore, Rate: rate},
		{Reset: oss.ResetRequest, Rate: rate},
		{Reset: oss.ResetAfter, Rate: rate},
		{Reset: oss.ResetResponse, Rate: rate},
		{LoseReply: true, Rate: rate},
		{Truncate: true, Rate: rate},
		{CRC: oss.CRCWrong, Rate: rate},
		{CRC: oss.CRCMissing, Rate: rate},
		{Latency: 100 * time.Millisecond, Rate: rate},
		{Bandwidth: 1 << 20, Rate: rate},
		{Hang: true, Rate: rate, Count: 3},
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
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"settle": "1ms", "filter": []string{"- *.new"}}, nil)
	const generations = 4
	states := map[string]map[box.Object]bool{}
	put := func(file, g int) error {
		path := filepath.Join(source, fmt.Sprintf("%02d", file%20), fmt.Sprint(file))
		if err := os.WriteFile(path+".new", []byte(generation(file, g)), 0o644); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	for d := range 20 {
		if err := os.Mkdir(filepath.Join(source, fmt.Sprintf("%02d", d)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file := range *stormFiles {
		possible := map[box.Object]bool{}
		for g := range generations {
			body := generation(file, g)
			possible[box.Object{Size: int64(len(body)), CRC64: crc64.Checksum([]byte(body), crcTable)}] = true
		}
		states[fmt.Sprintf("%02d/%d", file%20, file)] = possible
		if err := put(file, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range storm() {
		b.OSS.Faults().Add(f)
	}
	start(t, config)

	var wg sync.WaitGroup
	wg.Go(func() {
		for g := 1; g < generations; g++ {
			for _, file := range rand.Perm(*stormFiles)[:*stormFiles/2] {
				if err := put(file, g); err != nil {
					t.Error(err)
				}
			}
		}
	})
	waitFor(t, "objects", func() bool { return lookAt(t, b, states) > 0 })
	wg.Wait()
	for _, f := range b.OSS.Faults().List() {
		if f.Fault.Hang { // nobody waits for the time-out
			b.OSS.Faults().Remove(f.ID)
		}
	}
	deadline := time.Now().Add(patience + time.Duration(*stormFiles)*20*time.Millisecond)
	for differs(t, b, source) != "" {
		if time.Now().After(deadline) {
			t.Fatalf("the bucket does not equal the directory: %s", differs(t, b, source))
		}
		lookAt(t, b, states)
		time.Sleep(50 * time.Millisecond)
	}
	for _, f := range b.OSS.Faults().List() {
		if f.Hits == 0 {
			t.Errorf("fault %+v never happened", f.Fault)
		}
	}
}

// lookAt fails the test for an object that never was what its file held, and
// returns how many objects there are.
func lookAt(t *testing.T, b *box.Box, states map[string]map[box.Object]bool) int {
	t.Helper()
	have, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range have {
		if !states[key][box.Object{Size: o.Size, CRC64: o.CRC64}] {
			t.Errorf("object %s of %d bytes is no state of its file", key, o.Size)
		}
	}
	return len(have)
}
