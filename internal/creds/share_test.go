package creds

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A command in a loop asks once in six hours.
func TestCommandInLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		begin := time.Now()
		for time.Since(begin) < 24*time.Hour {
			if s, err := benchOn(t, f, cached(dir)).Get(t.Context()); err != nil || !consistent(s) {
				t.Fatalf("after %v: %v, %v", time.Since(begin), s, err)
			}
			time.Sleep(2 * time.Minute)
		}
		if n := f.count("GET credential"); n != 4 {
			t.Errorf("credential asked for %d times in 24 h, want 4", n)
		}
	})
}

// Another process has renewed the credential meanwhile.
func TestAdoptsWhatAnotherProcessGot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		b := benchOn(t, f, cached(dir))
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - 10*time.Minute)
		benchOn(t, f, cached(dir)).want(t, "STS.app.1")
		other := benchOn(t, f, cached(dir))
		other.want(t, "STS.app.1")
		f.rotate()
		if got, err := other.Refresh(t.Context(), 1); err != nil || got.AccessKeyID != "STS.app.2" {
			t.Fatalf("Refresh = %v, %v", got, err)
		}
		f.reset()
		if got, err := b.Refresh(t.Context(), s.Generation); err != nil || got.AccessKeyID != "STS.app.2" || got.Source != "cache" {
			t.Errorf("Refresh = %v, %v", got, err)
		}
		f.wantRequests(t)
	})
}

// Many processes whose credential is refused at once, and no other to be had.
func TestRefusedInManyProcesses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		time.Sleep(time.Hour)
		for range 10 {
			b := benchOn(t, f, cached(dir))
			s := b.want(t, "STS.app.1")
			if got, err := b.Refresh(t.Context(), s.Generation); err != nil || got.Generation != s.Generation {
				t.Errorf("Refresh = %v, %v", got, err)
			}
		}
		if n := f.count("GET credential"); n != 1 {
			t.Errorf("credential asked for %d times, want 1", n)
		}
	})
}

// The lock's holder hangs: others do without after a while.
func TestLockHeldForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := tempCache(t)
		b := newBench(t, cached(dir))
		d, err := openPrivateDir(dir, true)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		unlock, free, err := d.tryLock("v1.json.lock")
		if !free || err != nil {
			t.Fatalf("tryLock: %v, %v", free, err)
		}
		defer unlock()
		begin := time.Now()
		b.want(t, "STS.app.1")
		if took := time.Since(begin); took < lockWait || took > lockWait+time.Second {
			t.Errorf("took %v, want a bit over %v", took, lockWait)
		}
	})
}

// childRefresh gets a credential as a process of its own; arg is "DIR|ENDPOINT".
func childRefresh(arg string) {
	dir, endpoint, _ := strings.Cut(arg, "|")
	p := New(Options{Endpoint: endpoint, CacheDir: dir, BootID: func() (string, error) { return "boot", nil }})
	s, err := p.Get(context.Background())
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(s.AccessKeyID)
}

// 20 processes started together make one refresh.
func TestProcessHerd(t *testing.T) {
	f := newFake()
	f.intercept(func(http.ResponseWriter, *http.Request, string) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	})
	arg := filepath.Join(t.TempDir(), "c") + "|" + serveLoopback(t, f)
	outs := make(chan string)
	for range 20 {
		go func() {
			out, err := child(t, "refresh", nil, arg).Output()
			if err != nil {
				out = []byte(err.Error())
			}
			outs <- string(out)
		}()
	}
	for range 20 {
		if out := <-outs; out != "STS.app.1" {
			t.Errorf("a process got %q", out)
		}
	}
	f.wantRequests(t, "PUT token", "GET role", "GET credential app", "GET document")
}
