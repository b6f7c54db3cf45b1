package creds

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// notFound is what the metadata service answers, word for word in spirit.
const notFound = `<?xml version="1.0" encoding="iso-8859-1"?><html><head><title>404 - Not Found</title></head></html>`

// A fake is a metadata service. Each credential it gives spells its generation
// in all three values, and is followed by another 30 minutes before its end.
type fake struct {
	mu       sync.Mutex
	role     string // "" for none
	identity Identity
	life     time.Duration
	early    time.Duration    // before its end a credential has a successor
	now      func() time.Time // of the service's clock
	gen      int
	expires  time.Time
	log      []string       // "PUT token", "GET role", "GET credential app", …
	headers  []http.Header  // of the same requests
	tokens   map[string]int // uses left, -1 for any number
	hook     hook
}

func newFake() *fake {
	return &fake{
		role:     "app",
		identity: Identity{"i-bp1fake", "cn-hangzhou", "cn-hangzhou-i", "1234567890123456"},
		life:     6 * time.Hour,
		early:    30 * time.Minute,
		now:      time.Now,
		tokens:   map[string]int{},
	}
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// fail makes every request of a kind (a prefix of what is logged) be answered
// with a status.
func (f *fake) fail(prefix string, status int) {
	f.answer(prefix, status, notFound)
}

func (f *fake) answer(prefix string, status int, body string) {
	f.intercept(func(w http.ResponseWriter, _ *http.Request, what string) bool {
		if !strings.HasPrefix(what, prefix) {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	})
}

// A hook, where it returns true, has answered itself.
type hook func(w http.ResponseWriter, r *http.Request, what string) bool

func (f *fake) intercept(h hook) { f.set(func() { f.hook = h }) }

func (f *fake) heal() { f.set(func() { f.hook = nil }) }

// rotate makes the next answer be another credential.
func (f *fake) rotate() { f.set(func() { f.expires = time.Time{} }) }

func describe(r *http.Request) string {
	switch {
	case r.URL.Path == tokenPath:
		return r.Method + " token"
	case r.URL.Path == rolePath:
		return r.Method + " role"
	case strings.HasPrefix(r.URL.Path, rolePath):
		return r.Method + " credential " + path.Base(r.URL.Path)
	case r.URL.Path == documentPath:
		return r.Method + " document"
	case r.URL.Path == spotPath:
		return r.Method + " termination"
	}
	return r.Method + " " + r.URL.Path
}

// hooked notes a request and lets the hook, which may take its time, answer.
func (f *fake) hooked(w http.ResponseWriter, r *http.Request, what string) bool {
	f.mu.Lock()
	f.log = append(f.log, what)
	f.headers = append(f.headers, r.Header.Clone())
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	hook := f.hook
	f.mu.Unlock()
	return hook != nil && hook(w, r, what)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := describe(r)
	if f.hooked(w, r, what) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token := r.Header.Get(tokenHeader)
	switch left, known := f.tokens[token]; {
	case what == "PUT token":
		token = fmt.Sprintf("metadata-token-%d", len(f.tokens))
		f.tokens[token] = -1
		_, _ = io.WriteString(w, token)
		return
	case token == "":
		w.WriteHeader(http.StatusForbidden)
		return
	case !known || left == 0:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.serve(w, what)
}

func (f *fake) serve(w http.ResponseWriter, what string) {
	switch {
	case what == "GET document":
		fmt.Fprintf(w, `{"instance-id":%q,"region-id":%q,"zone-id":%q,"owner-account-id":%q,"mac":"00:16:3e:00:00:01"}`,
			f.identity.InstanceID, f.identity.Region, f.identity.Zone, f.identity.AccountID)
	case what == "GET role" && f.role != "":
		_, _ = io.WriteString(w, f.role+"\n")
	case what == "GET credential "+f.role && f.role != "":
		if now := f.now(); f.expires.Sub(now) <= f.early {
			f.gen++
			f.expires = now.Add(f.life).UTC().Truncate(time.Second)
		}
		_, _ = io.WriteString(w, credentialJSON(f.role, f.gen, f.expires))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, notFound)
	}
}

// Sentinels: none of these may ever be printed.
const (
	secretMark = "SeCrEtVaLuE"
	tokenMark  = "ToKeNvAlUe"
)

func credentialJSON(role string, gen int, expires time.Time) string {
	return fmt.Sprintf(`{ "AccessKeyId" : "STS.%s.%d", "AccessKeySecret" : "%s.%s.%d", "Expiration" : %q,
  "SecurityToken" : "%s.%s.%d", "LastUpdated" : "2026-01-02T03:04:05Z", "Code" : "Success" }`,
		role, gen, secretMark, role, gen, expires.UTC().Format(time.RFC3339), tokenMark, role, gen)
}

// consistent reports whether all of s is of one generation.
func consistent(s *Snapshot) bool {
	gen := strings.TrimPrefix(s.AccessKeyID, "STS.")
	return s.AccessKeySecret.Reveal() == secretMark+"."+gen && s.SecurityToken.Reveal() == tokenMark+"."+gen
}

func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fake) count(prefix string) int {
	n := 0
	for _, r := range f.requests() {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (f *fake) reset() { f.set(func() { f.log, f.headers = nil, nil }) }

// wantRequests fails unless exactly these were sent since the last reset.
func (f *fake) wantRequests(t testing.TB, want ...string) {
	t.Helper()
	if got := f.requests(); !slices.Equal(got, want) {
		t.Errorf("requests = %q, want %q", got, want)
	}
}

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
		Logger:    slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
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
