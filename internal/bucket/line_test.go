package bucket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/oss"
)

func drain(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

func TestEndpoint(t *testing.T) {
	tests := []struct {
		endpoint string
		opt      Options
		url      string
		path     bool
		err      string
	}{
		{"", Options{}, "https://oss-cn-hangzhou-internal.aliyuncs.com", false, ""},
		{"", Options{Region: "oss-cn-beijing"}, "https://oss-cn-beijing-internal.aliyuncs.com", false, ""},
		{"oss-cn-hangzhou.aliyuncs.com", Options{}, "https://oss-cn-hangzhou.aliyuncs.com", false, ""},
		{"https://oss-accelerate.aliyuncs.com", Options{}, "https://oss-accelerate.aliyuncs.com", false, ""},
		{"https://oss.example.com:8443/", Options{PathStyle: true}, "https://oss.example.com:8443", true, ""},
		{"https://10.1.2.3", Options{}, "https://10.1.2.3", true, ""},
		{"http://127.0.0.1:9000", Options{}, "http://127.0.0.1:9000", true, ""},
		{"http://[::1]:9000", Options{}, "http://[::1]:9000", true, ""},
		{"http://oss.localhost:9000", Options{}, "http://oss.localhost:9000", false, ""},
		{"http://oss.example.com", Options{AllowHTTP: true}, "http://oss.example.com", false, ""},

		{"http://oss.example.com", Options{}, "", false, "plain http"},
		{"http://127.0.0.1.example.com", Options{}, "", false, "plain http"},
		{"http://100.100.100.200", Options{AllowHTTP: true}, "", false, "metadata"},
		{"https://100.100.100.200", Options{}, "", false, "metadata"},
		{"https://[::ffff:100.100.100.200]", Options{}, "", false, "metadata"},
		{"https://169.254.169.254", Options{}, "", false, "metadata"},
		{"https://oss-cn-beijing.aliyuncs.com", Options{}, "", false, "in region cn-beijing"},
		{"https://oss-cn-beijing-internal.aliyuncs.com", Options{}, "", false, "in region cn-beijing"},
		{"https://user:secret@oss.example.com", Options{}, "", false, "user name"},
		{"https://oss.example.com/bucket", Options{}, "", false, "more than a host"},
		{"https://oss.example.com?x=y", Options{}, "", false, "more than a host"},
		{"ftp://oss.example.com", Options{}, "", false, "neither https nor http"},
		{"https://", Options{}, "", false, "no host"},
		{"", Options{Region: "CN Hangzhou"}, "", false, "not a region"},
	}
	for _, tt := range tests {
		tt.opt.Endpoint = tt.endpoint
		if tt.opt.Region == "" {
			tt.opt.Region = "cn-hangzhou"
		}
		ep, err := parseEndpoint(tt.opt)
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%q: %v", tt.endpoint, err)
		case tt.err == "" && (ep.url != tt.url || ep.pathStyle != tt.path):
			t.Errorf("%q: %+v, want %s", tt.endpoint, ep, tt.url)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: %v, want an error with %q", tt.endpoint, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%q: a password in %v", tt.endpoint, err)
		}
	}
	if _, err := New(Options{Name: "bucket"}); err == nil {
		t.Error("no region: no error")
	}
	if _, err := New(Options{Name: "Bucket", Region: "cn-hangzhou", Credentials: &role{}}); err == nil {
		t.Error("bad name: no error")
	}
	if _, err := New(Options{Name: "bucket", Region: "cn-hangzhou"}); err == nil {
		t.Error("no credentials: no error")
	}
}

// What a name resolves to is checked as well as the name.
func TestAllowed(t *testing.T) {
	loop := endpoint{plain: true, loopback: true}
	for _, tt := range []struct {
		ep      endpoint
		address string
		ok      bool
	}{
		{endpoint{}, "10.0.0.1:443", true},
		{endpoint{}, "100.100.100.200:443", false},
		{endpoint{}, "[::ffff:100.100.100.200]:80", false},
		{endpoint{}, "[fe80::1]:80", false},
		{loop, "127.0.0.1:80", true},
		{loop, "10.0.0.1:80", false},
	} {
		if err := tt.ep.allowed(tt.address); (err == nil) != tt.ok {
			t.Errorf("%+v to %s: %v", tt.ep, tt.address, err)
		}
	}
}

// A bucket in the host name, at a name below localhost that no resolver needs
// to know.
func TestVirtualHost(t *testing.T) {
	var host atomic.Value
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host.Store(r.Host + " " + r.RequestURI)
		w.WriteHeader(404)
	}))
	defer web.Close()
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: "http://oss.localhost:" + port, Credentials: newRole(authority.New(authority.Options{}))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Head(t.Context(), "a/../b"); !errors.Is(err, upload.Missing) {
		t.Errorf("Head = %v", err)
	}
	if got, want := host.Load(), "bucket.oss.localhost:"+port+" /a%2F..%2Fb"; got != want {
		t.Errorf("request for %q, want %q", got, want)
	}
}

// The environment's proxy is used for OSS, never for this machine.
func TestProxy(t *testing.T) {
	var asked atomic.Int64
	proxy := func(*http.Request) (*url.URL, error) { asked.Add(1); return nil, errors.New("proxy:secret@host") }
	b, _, _ := open(t, func(o *Options) { o.Proxy = proxy })
	if _, err := b.Put(t.Context(), "k", nil, upload.Header{}); err != nil || asked.Load() != 0 {
		t.Errorf("this machine: %v, proxy asked %d times", err, asked.Load())
	}
	far, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Proxy: proxy, Credentials: b.opt.Credentials})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := far.Head(t.Context(), "k"); err == nil || asked.Load() != 1 {
		t.Errorf("OSS: %v, proxy asked %d times", err, asked.Load())
	}
}

// Bodies are paced together, and the limit can be changed while they are sent.
func TestLimiter(t *testing.T) {
	lim := rate.NewLimiter(1<<20, 16<<10)
	var sent atomic.Int64
	b, _, _ := open(t, func(o *Options) {
		o.Limiter = lim
		o.Sent = func(n int) { sent.Add(int64(n)) }
	})
	start := time.Now()
	var wg sync.WaitGroup
	for _, key := range []string{"a", "b"} {
		wg.Go(func() {
			if _, err := b.Put(t.Context(), key, make([]byte, 128<<10), upload.Header{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("256 KiB at 1 MiB/s took %v", took)
	}
	if sent.Load() != 256<<10 {
		t.Errorf("%d bytes sent, want 256 KiB", sent.Load())
	}
	lim.SetLimit(1)
	lim.SetBurst(1)
	time.AfterFunc(50*time.Millisecond, func() { lim.SetLimit(rate.Inf) })
	if _, err := b.Put(t.Context(), "c", make([]byte, 1000), upload.Header{}); err != nil {
		t.Error(err)
	}
}

// Once a request is over, the transport reads no more of the caller's memory.
func TestBodyRevoked(t *testing.T) {
	b, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403) // before the body is read
	})
	body := make([]byte, 8<<20)
	for range 5 {
		if _, err := b.Put(t.Context(), "k", body, upload.Header{}); err == nil {
			t.Fatal("no error")
		}
		for i := 0; i < len(body); i += 4096 {
			body[i]++ // the race detector sees a reader
		}
	}
}

// When nothing moves, a request is given up; while the limiter holds it back,
// it is not.
func TestWatchdog(t *testing.T) {
	impatient := times{dial: 20 * time.Millisecond, stall: 60 * time.Millisecond, answer: 60 * time.Millisecond, speed: 1 << 30}
	reading := func(w http.ResponseWriter, r *http.Request) { drain(r.Body); <-r.Context().Done() }
	deaf := func(w http.ResponseWriter, r *http.Request) {
		select { // the server notices the end of a request only when it reads
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("x-oss-request-id", "R")
		w.Header().Set("x-oss-hash-crc64ecma", "0")
		w.Write(make([]byte, 500))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, h := range map[string]http.HandlerFunc{"no answer": reading, "body not taken": deaf, "half an answer": half} {
		b, _ := answering(t, h)
		b.line.times = impatient
		var err error
		if name == "half an answer" {
			var body io.ReadCloser
			if body, _, err = b.Get(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			_, err = drain(body)
			body.Close()
		} else {
			_, err = b.Put(t.Context(), "k", make([]byte, 32<<20), upload.Header{})
		}
		if !errors.Is(err, errStalled) || !errors.Is(err, upload.Transient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _, _ := open(t, func(o *Options) { o.Limiter = rate.NewLimiter(20<<10, 4<<10) })
	b.line.times = impatient
	if _, err := b.Put(t.Context(), "k", make([]byte, 10<<10), upload.Header{}); err != nil {
		t.Errorf("slow by our own limit: %v", err)
	}
}

// After all requests and Close, nothing runs on.
func TestNoLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		b, s, _ := open(t, nil)
		s.Faults().Add(oss.Fault{Rate: 0.2, Reset: oss.ResetRequest})
		s.Faults().Add(oss.Fault{Rate: 0.2, Status: 503})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for range 5 {
					// However they end.
					_, _ = b.Put(t.Context(), fmt.Sprint(i), make([]byte, 20<<10), upload.Header{})
					_, _ = b.Head(t.Context(), "none")
				}
			})
		}
		wg.Wait()
	})
	for range 500 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines are left of the requests:\n%s", runtime.NumGoroutine()-before, stacks[:runtime.Stack(stacks, true)])
}
