//go:build unix

package creds

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childDie replaces the cache and kills itself at a step; arg is "DIR|STEP".
func childDie(arg string) {
	dir, at, _ := strings.Cut(arg, "|")
	unix.Umask(0)
	s := dieStore(dir)
	s.step = func(step string) {
		if step == at {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	if err := s.save(dieGrant("new")); err != nil {
		panic(err)
	}
}

func dieStore(dir string) *store {
	opt := Options{
		CacheDir: dir, Logger: textLogger(&logBuffer{}), Endpoint: DefaultEndpoint,
		BootID: func() (string, error) { return "boot", nil }, MachineID: func() (string, error) { return "machine", nil },
	}
	return newStore(&opt, fromMetadata, &clock{wall: time.Now, log: opt.Logger})
}

func dieGrant(id string) *grant {
	now := time.Now().UTC()
	return &grant{
		id: "STS." + id, secret: NewSecret(secretMark), token: NewSecret(strings.Repeat("t", 8000)), role: "app",
		expires: now.Add(time.Hour), fetched: now, identity: newFake().identity,
	}
}

// A process killed at any point of writing leaves the old credential or the
// new one, whole, and in no file that others can read.
func TestKilledWhileWriting(t *testing.T) {
	for _, step := range []string{"create", "chmod", "write", "sync", "rename", "sync directory", "done"} {
		for _, before := range []string{"old", ""} {
			dir := filepath.Join(t.TempDir(), "c")
			s := dieStore(dir)
			if before != "" {
				if err := s.save(dieGrant(before)); err != nil {
					t.Fatal(err)
				}
			}
			out, err := child(t, "die", nil, dir+"|"+step).CombinedOutput()
			if err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("%s: child: %v\n%s", step, err, out)
			}
			want := "STS.new"
			if step != "sync directory" && step != "done" {
				want = "STS." + before
			}
			g, _ := s.load()
			if (g == nil) != (want == "STS.") || (g != nil && g.id != want) {
				t.Errorf("killed at %s with %q there: found %v, want %s", step, before, g, want)
			}
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if m := mode(t, filepath.Join(dir, e.Name())); m != 0o600 {
					t.Errorf("killed at %s: %s is %v", step, e.Name(), m)
				}
			}
			if err := s.save(dieGrant("next")); err != nil {
				t.Errorf("after %s: %v", step, err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("after %s: %v left behind", step, entries)
			}
		}
	}
}

// 200 refreshes over sockets, with the cache written each time, leave no file
// open.
func TestRefreshesDoNotLeakFiles(t *testing.T) {
	f := newFake()
	f.early = 7 * time.Hour
	p := New(Options{Endpoint: serveLoopback(t, f), CacheDir: tempCache(t)})
	refresh := func() {
		if err := refreshNow(p).wait(context.Background(), false); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	before := openFiles(t)
	for range 200 {
		refresh()
	}
	for try := 0; openFiles(t) > before; try++ { // the server closes its ends when it sees ours closed
		if try == 100 {
			t.Fatalf("%d files open after 200 refreshes, %d after one", openFiles(t), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func openFiles(t testing.TB) int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
