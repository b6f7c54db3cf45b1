package creds

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A memory listener hands out both ends of pipes, which synctest, unlike
// sockets, can see through.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error { m.once.Do(func() { close(m.closed) }); return nil }

func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listen serves h in memory until the test ends.
func listen(t testing.TB, h http.Handler) *memory {
	m := &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: discardLog()}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(m) })
	t.Cleanup(func() {
		_ = srv.Close()
		wg.Wait()
	})
	return m
}

// A bench is a provider under test with its service.
type bench struct {
	*Provider
	fake *fake
	logs *logBuffer
}

// newBench makes a provider that asks a new fake in memory; for use inside a
// synctest bubble.
func newBench(t testing.TB, change ...func(*Options)) *bench {
	return benchOn(t, newFake(), change...)
}

func benchOn(t testing.TB, f *fake, change ...func(*Options)) *bench {
	b := &bench{fake: f, logs: &logBuffer{}}
	opt := Options{
		Logger:    textLogger(b.logs),
		BootID:    func() (string, error) { return "boot-1", nil },
		MachineID: func() (string, error) { return "machine-1", nil },
		dial:      listen(t, f).dial,
	}
	for _, c := range change {
		c(&opt)
	}
	b.Provider = New(opt)
	return b
}

// start runs the provider in the background until the test, or the returned
// function, ends it.
func (b *bench) start(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// want returns the credential that Get gives, which must be of the role and
// generation.
func (b *bench) want(t testing.TB, id string) *Snapshot {
	t.Helper()
	s, err := b.Get(t.Context())
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if s.AccessKeyID != id || !consistent(s) {
		t.Fatalf("Get = %v, want %s", s, id)
	}
	return s
}

// wantKind fails unless err is an *Error of the kind, with a hint and without
// markup.
func wantKind(t testing.TB, err error, kind Kind) {
	t.Helper()
	if kindOf(err) != kind {
		t.Fatalf("error = %v (%v), want kind %v", err, kindOf(err), kind)
	}
	if text := err.Error(); strings.ContainsAny(text, "<>\n") || err.(*Error).Hint == "" {
		t.Errorf("error %q with hint %q: want one line of text, no markup, and a hint", text, err.(*Error).Hint)
	}
	noSecrets(t, err.Error()+err.(*Error).Hint)
}

func noSecrets(t testing.TB, text string) {
	t.Helper()
	for _, mark := range []string{secretMark, tokenMark, "metadata-token-", acs3} {
		if strings.Contains(text, mark) {
			t.Errorf("a secret is in the output: %.300s", text)
		}
	}
}

// bubble runs f in fake time, which begins in a year that clocks may show.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)))
		f(t)
	})
}

// tempCache returns a directory for a disk cache that is not there yet.
func tempCache(t testing.TB) string { return filepath.Join(t.TempDir(), "credentials") }

// cached gives a provider a disk cache.
func cached(dir string) func(*Options) { return func(o *Options) { o.CacheDir = dir } }

func boot(id string) func(*Options) {
	return func(o *Options) { o.BootID = func() (string, error) { return id, nil } }
}

// serveLoopback serves f on a real socket and returns its address.
func serveLoopback(t testing.TB, f http.Handler) string {
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = discardLog()
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// A logBuffer collects what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// refreshNow starts a refresh that is not due.
func refreshNow(p *Provider) *flight {
	p.top.mu.Lock()
	defer p.top.mu.Unlock()
	return p.top.begin()
}
