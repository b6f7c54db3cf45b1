package creds

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestColdHerd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(20 * time.Millisecond)
			return false
		})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if s, err := b.Get(t.Context()); err != nil || !consistent(s) {
					t.Errorf("Get = %v, %v", s, err)
				}
			})
		}
		wg.Wait()
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
	})
}

// The same without fake time, where goroutines do run at once.
func TestColdHerdInRealTime(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 1000 {
		wg.Go(func() {
			<-start
			if s, err := b.Get(context.Background()); err != nil || !consistent(s) {
				t.Errorf("Get = %v, %v", s, err)
			}
		})
	}
	close(start)
	wg.Wait()
	b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
}

func TestCallerCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(time.Second)
			return false
		})
		gone := errors.New("gone home")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			begin := time.Now()
			if _, err := b.Get(ctx); err != gone || time.Since(begin) != 500*time.Millisecond {
				t.Errorf("first caller: %v after %v", err, time.Since(begin))
			}
		})
		wg.Go(func() {
			time.Sleep(100 * time.Millisecond)
			b.want(t, "STS.app.1")
		})
		time.Sleep(500 * time.Millisecond)
		cancel(gone)
		wg.Wait()
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
		if s, err := b.Get(ctx); err != nil || s == nil {
			t.Errorf("a done context keeps Get from returning what is at hand: %v", err)
		}
	})
}

func TestCredentialsNeverWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		if _, err := b.Credentials(); kindOf(err) != Pending {
			t.Errorf("before anything was asked: %v", err)
		}
		b.want(t, "STS.app.1")
		b.fake.intercept(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			<-r.Context().Done() // hangs
			return true
		})
		b.start(t)
		for range 6 * 60 * 4 { // 24 h, in steps of 15 s, but for the last of the credential
			time.Sleep(15 * time.Second)
			begin := time.Now()
			s, err := b.Credentials()
			if took := time.Since(begin); took != 0 {
				t.Fatalf("Credentials took %v", took)
			}
			if err != nil || !s.Expires.After(time.Now()) {
				if kindOf(err) != Expired || begin.Before(time.Now()) {
					t.Fatalf("Credentials = %v, %v", s, err)
				}
			}
		}
	})
}

// Readers in every goroutine, a rotation every millisecond or so: no triple
// mixes two generations.
func TestMixedGenerations(t *testing.T) {
	f := newFake()
	f.early = 7 * time.Hour // every answer is a new one
	b := benchOn(t, f)
	ctx := context.Background()
	first, err := b.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var rotated atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer rotated.Store(true)
		last := first
		for range 300 {
			b.top.mu.Lock()
			b.top.forcedAt = time.Time{} // the limit is tested elsewhere
			b.top.mu.Unlock()
			next, err := b.Refresh(ctx, last.Generation)
			if err != nil || next.Generation != last.Generation+1 {
				t.Errorf("Refresh(%d) = %v, %v", last.Generation, next, err)
				return
			}
			last = next
		}
	})
	for range 64 {
		wg.Go(func() {
			var newest uint64
			for i := 0; i < 1000 || !rotated.Load(); i++ {
				s, err := b.Credentials()
				if err != nil || !consistent(s) || s.Generation < newest {
					t.Errorf("Credentials = %v, %v after generation %d", s, err, newest)
					return
				}
				newest = s.Generation
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
}

// 10,000 refreshes leave nothing behind.
func TestRefreshesDoNotLeak(t *testing.T) {
	f := newFake()
	f.early = 7 * time.Hour
	f.quiet = true
	var open atomic.Int64
	b := benchOn(t, f, func(o *Options) {
		o.Logger, o.Role = nil, "app"
		o.dial = func(context.Context, string, string) (net.Conn, error) {
			open.Add(1)
			return &cannedConn{h: f, open: &open, ready: make(chan struct{}), closed: make(chan struct{})}, nil
		}
	})
	refresh := func() {
		fl := refreshNow(b.Provider)
		if err := fl.wait(context.Background(), false); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	before := settled()
	for range 10_000 {
		refresh()
	}
	if after := settled(); after > before {
		t.Errorf("%d goroutines after 10,000 refreshes, %d after one", after, before)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections left open", n)
	}
	if s, err := b.Credentials(); err != nil || f.gen != 10_001 || !consistent(s) {
		t.Errorf("generation %d, %v", f.gen, err)
	}
}

// A cannedConn is the client's end of a connection, and the server's: it
// answers one request when it has been written.
type cannedConn struct {
	net.Conn // not there: no other method is called
	h        http.Handler
	open     *atomic.Int64
	request  bytes.Buffer
	answer   bytes.Buffer
	ready    chan struct{}
	closed   chan struct{}
	once     sync.Once
}

func (c *cannedConn) Write(p []byte) (int, error) {
	c.request.Write(p)
	if bytes.HasSuffix(c.request.Bytes(), []byte("\r\n\r\n")) {
		req, err := http.ReadRequest(bufio.NewReader(&c.request))
		if err != nil {
			return 0, err
		}
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, req)
		answer := w.Result()
		answer.ContentLength = int64(w.Body.Len()) // which lets the client keep the connection
		if err := answer.Write(&c.answer); err != nil {
			return 0, err
		}
		close(c.ready)
	}
	return len(p), nil
}

func (c *cannedConn) Read(p []byte) (int, error) {
	select {
	case <-c.ready:
		return c.answer.Read(p)
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *cannedConn) Close() error {
	c.once.Do(func() {
		c.open.Add(-1)
		close(c.closed)
	})
	return nil
}

// settled returns the number of goroutines once it does not fall any more.
func settled() int {
	n := runtime.NumGoroutine()
	for range 50 {
		time.Sleep(2 * time.Millisecond)
		if m := runtime.NumGoroutine(); m < n {
			n = m
		}
	}
	return n
}

func BenchmarkCredentials(b *testing.B) {
	p := benchOn(b, newFake())
	if _, err := p.Get(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, err := p.Credentials(); err != nil || s == nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if s, err := p.Credentials(); err != nil || s == nil {
					b.Error(err)
				}
			}
		})
	})
}
