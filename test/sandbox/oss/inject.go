package oss

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// errCut is what the reader of a body is told that is cut off on purpose.
var errCut = errors.New("connection cut by a fault")

// inject lets the fault that fits happen to a request, as far as it happens
// before the answer. It is true if there is to be no answer.
func (s *Server) inject(x *exchange) (cut bool) {
	i := s.faults.take(x.op, x.bucket, x.key)
	if i == nil {
		return false
	}
	f := &i.Fault
	x.fault = f
	x.rate = f.Bandwidth
	if f.Latency > 0 {
		sleep(x.r.Context(), f.Latency)
	}
	if f.Skew != 0 {
		x.now = x.now.Add(f.Skew)
		x.set("Date", x.now.UTC().Format(http.TimeFormat))
	}
	if f.Hang {
		hang(x.r, i.gone)
		x.lost = true
		return true
	}
	switch f.Reset {
	case ResetBefore:
		x.lost = true
		return true
	case ResetAfter:
		x.in, _ = io.Copy(io.Discard, x.r.Body)
		x.lost = true
		return true
	case ResetRequest:
		x.r.Body = &cutBody{x.r.Body, max(x.r.ContentLength, 0) / 2}
	}
	for name, value := range f.Header {
		x.w.Header().Set(name, value)
	}
	if f.Status != 0 || f.Redirect != "" {
		x.pretend(f)
	} else if f.LoseReply {
		x.w = &nowhere{header: make(http.Header)}
		x.lost = true
	}
	return false
}

// answered reports whether the fault was an answer.
func (x *exchange) answered() bool { return x.status != 0 }

// pretend gives the answer of a fault.
func (x *exchange) pretend(f *Fault) {
	status := f.Status
	if f.Redirect != "" {
		if status == 0 {
			status = http.StatusTemporaryRedirect
		}
		x.set("Location", f.Redirect)
	}
	if f.Body == "" {
		code, message := f.Code, f.Message
		if code == "" {
			code = "InternalError"
		}
		if message == "" {
			message = http.StatusText(status)
		}
		x.refuse(&Error{Status: status, Code: code, Message: message})
		return
	}
	x.code = f.Code
	x.w.Header().Del("X-Oss-Request-Id") // it never came to the service
	contentType := f.ContentType
	if contentType == "" {
		contentType = "text/html"
	}
	x.write(status, contentType, []byte(f.Body))
}

// hang waits for the client to go, or for the fault to be removed. The server
// notices that a client has gone only once its body has been read.
func hang(r *http.Request, gone <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(io.Discard, r.Body)
	}()
	select {
	case <-r.Context().Done():
	case <-gone:
	}
	r.Body.Close()
	<-done
}

// cut cuts the connection, by a reset where that can be had.
func (x *exchange) cut() {
	conn, _, err := http.NewResponseController(x.conn).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	under := conn
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		under = c.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	under.Close()
}

// A cutBody is a body that breaks off after left bytes.
type cutBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errCut
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// nowhere is where an answer goes that is to be lost.
type nowhere struct{ header http.Header }

// Header implements http.ResponseWriter.
func (n *nowhere) Header() http.Header { return n.header }

// WriteHeader implements http.ResponseWriter.
func (n *nowhere) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }

// limitTraffic takes the speed that the request asks for, in bits per second.
func (x *exchange) limitTraffic() error {
	v := x.header("X-Oss-Traffic-Limit")
	if v == "" && len(x.query) > 0 {
		v = x.query.get("x-oss-traffic-limit")
	}
	if v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 819200 || n > 838860800 {
			return invalidArgument("The traffic limit must be between 819200 and 838860800 bit/s.", "x-oss-traffic-limit", v, "0017-00000701")
		}
		if x.rate == 0 || n/8 < x.rate {
			x.rate = n / 8
		}
	}
	if x.rate > 0 {
		x.r.Body = &slowBody{x.r.Body, newPace(x)}
	}
	if v != "" {
		// How long the limit makes the body of the request take; the real
		// service tells of what it did, which is the same.
		x.set("X-Oss-Qos-Delay-Time", strconv.FormatInt(1000*max(x.r.ContentLength, 0)/x.rate, 10))
	}
	return nil
}

// limited returns where the content of an object is to be written to, at the
// speed of the request.
func (x *exchange) limited() io.Writer {
	var w io.Writer = x.w
	if x.rate > 0 {
		w = &slowWriter{w, newPace(x)}
	}
	return w
}

// A pace is a speed that is kept on the average.
type pace struct {
	ctx   context.Context
	rate  int64 // bytes per second
	start time.Time
	done  int64
}

func newPace(x *exchange) *pace { return &pace{x.r.Context(), x.rate, time.Now(), 0} }

// piece returns how much to do at once: what fits into a twentieth of a second.
func (p *pace) piece(n int) int { return int(min(int64(n), max(1, p.rate/20))) }

// did waits until as much as was done may have been.
func (p *pace) did(n int) {
	p.done += int64(n)
	due := p.start.Add(time.Duration(float64(p.done) / float64(p.rate) * float64(time.Second)))
	sleep(p.ctx, time.Until(due))
}

// sleep waits, but not longer than the client.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

type slowBody struct {
	io.ReadCloser
	pace *pace
}

// Read implements io.Reader.
func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:b.pace.piece(len(p))])
	b.pace.did(n)
	return n, err
}

type slowWriter struct {
	w    io.Writer
	pace *pace
}

// Write implements io.Writer.
func (w *slowWriter) Write(p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		n, err := w.w.Write(p[:w.pace.piece(len(p))])
		total += n
		if err != nil {
			return total, err
		}
		w.pace.did(n)
		p = p[n:]
	}
	return total, nil
}
