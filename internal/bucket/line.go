package bucket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// times tell a dead server from a slow line.
type times struct {
	dial time.Duration // to connect, and again for TLS

	// stall is how long not a single byte may move in a body. Where the system
	// can tell, a connection is also given up when nothing that was sent is
	// acknowledged for ackTime.
	stall time.Duration

	// answer is how long the service may take to answer a whole request. What
	// was written may still sit in this machine's socket: the line gets extra
	// time for up to socketBytes of it, at the speed of a slow one, in bytes
	// per second.
	answer time.Duration
	speed  int
}

func defaultTimes() times {
	return times{dial: 10 * time.Second, stall: 60 * time.Second, answer: 60 * time.Second, speed: 32 << 10}
}

const (
	ackTime     = 30 * time.Second
	socketBytes = 4 << 20
	writeBuffer = 32 << 10 // of a connection
)

// errStalled says that a request was given up because nothing moved.
var errStalled = errors.New("no progress, connection given up")

// errOver tells the transport that a request is over.
var errOver = errors.New("request is over")

// A line carries requests to one endpoint: it counts them, paces their bodies,
// and gives them up when nothing moves. It implements http.RoundTripper.
type line struct {
	base     *http.Transport
	times    times
	limiter  *rate.Limiter
	sent     func(int)
	requests atomic.Int64
	drafts   sync.Pool // of *draft
}

func newLine(ep endpoint, opt Options) *line {
	tm := defaultTimes()
	d := &net.Dialer{
		Timeout:        tm.dial,
		KeepAlive:      ackTime,
		ControlContext: control(ep),
	}
	t := &http.Transport{
		Proxy: opt.Proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.DialContext(ctx, network, localAddress(address))
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    tm.dial,
		DisableCompression:     true, // the CRC-64 is that of the bytes as they are
		MaxIdleConns:           opt.MaxConns,
		MaxIdleConnsPerHost:    opt.MaxConns,
		IdleConnTimeout:        50 * time.Second, // the service closes after 60
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        writeBuffer,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if ep.loopback {
		t.Proxy = nil
	}
	return &line{base: t, times: tm, limiter: opt.Limiter, sent: opt.Sent}
}

// localAddress replaces names below localhost, which not every resolver knows,
// by localhost itself.
func localAddress(address string) string {
	if host, port, err := net.SplitHostPort(address); err == nil && isLocalhost(host) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	l.requests.Add(1)
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watchdog{stall: l.times.stall, wait: l.times.answer, cancel: cancel}
	w.timer = time.AfterFunc(2*l.times.dial+w.wait, func() { cancel(errStalled) })
	req = req.WithContext(ctx)
	if c, ok := req.Body.(*content); ok {
		w.data = c.data
		w.wait += time.Duration(min(c.Len(), socketBytes)) * time.Second / time.Duration(l.times.speed)
		l.attach(req, w)
	}
	if req.Method != http.MethodPost {
		// To repeat it does no harm: the transport may, when a kept connection
		// turns out to be dead. The header, being empty, is not sent.
		req.Header[repeatable] = []string{}
	}
	resp, err := l.base.RoundTrip(req)
	if err != nil {
		w.end()
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return nil, err
	}
	w.timer.Stop()
	a := &answer{ReadCloser: resp.Body, ctx: ctx, watchdog: w, left: -1}
	if resp.StatusCode >= 300 {
		a.left = longestError
	}
	resp.Body = a
	return resp, nil
}

// attach gives the request its body, which the transport can also have anew.
func (l *line) attach(req *http.Request, w *watchdog) {
	req.ContentLength = int64(len(w.data))
	if len(w.data) == 0 {
		req.Body = http.NoBody
		return
	}
	size := len(w.data)
	req.GetBody = func() (io.ReadCloser, error) {
		return &body{line: l, ctx: req.Context(), watchdog: w, left: size}, nil
	}
	req.Body, _ = req.GetBody()
}

// content is a body on its way through the SDK, which asks for its length.
type content struct {
	io.Reader // never read: line.attach replaces it
	data      []byte
}

func (c *content) Len() int { return len(c.data) }

// Close implements io.Closer; the SDK then leaves the reader as it is.
func (c *content) Close() error { return nil }

// A watchdog cancels a request when nothing has moved for a time, and keeps
// what it is about from being read once the request is over: the transport may
// go on reading after it has returned, when the caller has other use for the
// memory.
type watchdog struct {
	timer  *time.Timer
	stall  time.Duration // between two bytes
	wait   time.Duration // for the answer, from the last byte of the body
	cancel context.CancelCauseFunc

	mu   sync.Mutex
	data []byte // of the body; nil once the request is over
}

func (w *watchdog) end() {
	w.timer.Stop()
	w.cancel(nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data = nil
}

// copy copies bytes of the body that begin at off, and reports whether they
// are the last.
func (w *watchdog) copy(p []byte, off int) (n int, last bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.data == nil {
		return 0, false, errOver
	}
	n = copy(p, w.data[off:])
	last = off+n == len(w.data)
	if last {
		w.timer.Reset(w.wait)
	} else {
		w.timer.Reset(w.stall)
	}
	return n, last, nil
}

// A body is the body of one request as the transport reads it.
type body struct {
	*line
	ctx      context.Context
	watchdog *watchdog
	off      int // bytes that were read
	left     int // bytes that were not
}

// bodyChunk is how much of a body is handed out at once.
const bodyChunk = 64 << 10

// Read implements io.Reader. While it waits for the limiter, nothing is
// expected to move.
func (b *body) Read(p []byte) (int, error) {
	b.watchdog.timer.Stop()
	n := min(len(p), b.left, bodyChunk)
	var err error
	if b.limiter != nil {
		n, err = pace(b.ctx, b.limiter, n)
	}
	if err != nil {
		return 0, err
	}
	n, last, err := b.watchdog.copy(p[:n], b.off)
	if err != nil {
		return 0, err
	}
	b.off += n
	b.left -= n
	if b.sent != nil {
		b.sent(n)
	}
	if last {
		return n, io.EOF
	}
	return n, nil
}

// pace waits until n bytes may be sent, or fewer, where the limit allows no
// more at once. The limit may be changed meanwhile.
func pace(ctx context.Context, limiter *rate.Limiter, n int) (int, error) {
	for limiter.Limit() != rate.Inf {
		burst := limiter.Burst()
		if burst > 0 {
			n = min(n, burst)
			if err := limiter.WaitN(ctx, n); err == nil || ctx.Err() != nil {
				return n, err
			}
		}
		select { // the burst has just been lowered, or nothing may be sent at all
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }

// longestError is how much of an answer that is no success is read.
const longestError = 256 << 10

// An answer is the body of an answer, watched while somebody waits for it.
type answer struct {
	io.ReadCloser
	ctx      context.Context
	watchdog *watchdog
	left     int64 // bytes that may still be read; negative means all
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	if a.left > 0 {
		p = p[:min(int64(len(p)), a.left)]
	}
	a.watchdog.timer.Reset(a.watchdog.stall)
	n, err := a.ReadCloser.Read(p)
	a.watchdog.timer.Stop()
	if a.left > 0 {
		a.left -= int64(n)
	}
	if err != nil && errors.Is(context.Cause(a.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

// Close implements io.Closer. What is left of a short answer is read, so that
// the connection can be used again.
func (a *answer) Close() error {
	a.watchdog.timer.Reset(a.watchdog.stall)
	_, _ = io.CopyN(io.Discard, a.ReadCloser, 4<<10) // fails where less is left, as it should
	err := a.ReadCloser.Close()
	a.watchdog.end()
	return err
}
