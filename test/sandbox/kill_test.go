package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/test/sandbox/box"
)

// asCommand is the variable that makes the test binary the command. It holds
// the arguments, one a line.
const asCommand = "SANDBOX_TEST_ARGS"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(asCommand); ok {
		os.Exit(run(context.Background(), strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// startProcess runs the command in a process of its own until its ready file is
// there.
func startProcess(t *testing.T, args ...string) (*exec.Cmd, box.Info) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asCommand+"="+strings.Join(append(args, "-ready", ready), "\n"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for {
		var info box.Info
		if b, err := os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(b, &info); err != nil {
				t.Fatal(err)
			}
			return cmd, info
		}
		select {
		case <-ended:
			t.Fatalf("the command ended: %s", &out)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func bucketAt(t *testing.T, info box.Info) *sdk.Bucket {
	t.Helper()
	c, err := sdk.New(info.OSS, "id", "secret")
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bucket(info.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// content is what is put under a key, small enough for a pack or not.
func content(key string) []byte {
	n := 50 + len(key)
	if strings.HasSuffix(key, "7") {
		n = 8 << 10
	}
	return bytes.Repeat([]byte(key), n)
}

// TestKilled kills the command in the middle of its work, without a warning.
// What it had acknowledged a second before must be there, and nothing that is
// there may be torn.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	cmd, info := startProcess(t, "-dir", dir, "-key", "id:secret")
	b := bucketAt(t, info)
	var mu sync.Mutex
	acknowledged := make(map[string]time.Time)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("dir-%d/%05d", w, i)
				if b.PutObject(key, bytes.NewReader(content(key))) != nil {
					return // it is dead
				}
				if i%4 == 3 { // what is replaced must not take others along
					if b.PutObject(fmt.Sprintf("dir-%d/again", w), bytes.NewReader(content(fmt.Sprintf("dir-%d/again", w)))) != nil {
						return
					}
				}
				mu.Lock()
				acknowledged[key] = time.Now()
				mu.Unlock()
			}
		})
	}
	time.Sleep(1300 * time.Millisecond) // a second, and 0.3 of what must be there
	killed := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	writers.Wait()

	_, info = startProcess(t, "-dir", dir, "-key", "id:secret")
	b = bucketAt(t, info)
	there := checkAll(t, b)
	due := 0
	for key, at := range acknowledged {
		if killed.Sub(at) < time.Second {
			continue
		}
		if due++; !there[key] {
			t.Errorf("%s is gone, which was acknowledged %v before the end", key, killed.Sub(at))
		}
	}
	if due == 0 {
		t.Error("nothing was acknowledged in time to be looked for")
	}
	t.Logf("%d acknowledged, %d of them a second before; %d there", len(acknowledged), due, len(there))
}

// checkAll reads every object there is, and returns their keys.
func checkAll(t *testing.T, b *sdk.Bucket) map[string]bool {
	t.Helper()
	there := make(map[string]bool)
	keys := make(chan string)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for key := range keys {
				r, err := b.GetObject(key)
				if err != nil {
					t.Errorf("get %s: %v", key, err)
					continue
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || !bytes.Equal(got, content(key)) {
					t.Errorf("%s is torn: %d bytes, %v", key, len(got), err)
				}
			}
		})
	}
	for marker := ""; ; {
		page, err := b.ListObjects(sdk.Marker(marker), sdk.MaxKeys(1000))
		if err != nil {
			t.Error(err)
			break
		}
		for _, o := range page.Objects {
			there[o.Key] = true
			keys <- o.Key
		}
		if marker = page.NextMarker; !page.IsTruncated {
			break
		}
	}
	close(keys)
	readers.Wait()
	return there
}
