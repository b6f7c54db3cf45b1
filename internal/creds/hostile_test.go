package creds

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCaptivePortal(t *testing.T) {
	for _, at := range []string{"PUT token", "GET role", "GET credential"} {
		bubble(t, func(t *testing.T) {
			b := newBench(t)
			b.fake.answer(at, 200, "\r\n<!DOCTYPE html><html><body>Accept our terms</body></html>")
			_, err := b.Get(t.Context())
			wantKind(t, err, NotMetadata)
		})
	}
}

// Nothing is sent to where a redirect points.
func TestRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, at := range []string{"PUT token", "GET role", "GET credential app"} {
			var visits atomic.Int64
			evil := serveLoopback(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
			f := newFake()
			f.intercept(func(w http.ResponseWriter, _ *http.Request, what string) bool {
				if what != at {
					return false
				}
				w.Header().Set("Location", evil+"/latest/api/token")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, credentialJSON("app", 1, time.Now().Add(time.Hour)))
				return true
			})
			_, err := New(Options{Endpoint: serveLoopback(t, f)}).Get(t.Context())
			wantKind(t, err, NotMetadata)
			if visits.Load() != 0 {
				t.Errorf("%d at %s: the other host was visited", status, at)
			}
		}
	}
}

// The environment's proxies are not used. A process of its own, since net/http
// reads the environment once.
func TestProxyEnvironment(t *testing.T) {
	var visits atomic.Int64
	proxy := serveLoopback(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	var env []string
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		env = append(env, name+"="+proxy)
	}
	out := runChild(t, "proxy", append(env, "NO_PROXY=", "no_proxy="), "")
	if got := strings.TrimSpace(out); got != "100.100.100.200:80" || visits.Load() != 0 {
		t.Errorf("connections to %q, proxy visited %d times", got, visits.Load())
	}
}

func childProxy(string) {
	var seen string
	_, _ = New(Options{dial: func(_ context.Context, _, addr string) (net.Conn, error) {
		seen = addr
		return nil, os.ErrDeadlineExceeded
	}}).Get(context.Background())
	fmt.Println(seen)
}

// Answers that are not HTTP, or never end. Each is written as soon as the
// request has been read; with hang, the connection stays open after it.
func TestHostileAnswers(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\n"
	good := credentialJSON("app", 1, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	long := func(n int) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n", ok, n) }
	endless := func(head, piece string) func(c net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for err == nil {
				_, err = io.WriteString(c, piece)
			}
		}
	}
	text := func(s string, hang bool) func(c net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, s)
			if hang {
				_, _ = c.Read(make([]byte, 1)) // until the client leaves
			}
		}
	}
	drip := func(c net.Conn) {
		_, err := io.WriteString(c, long(10_000))
		for err == nil {
			time.Sleep(100 * time.Millisecond)
			_, err = io.WriteString(c, " ")
		}
	}
	tests := []struct {
		name string
		talk func(c net.Conn)
		kind Kind // -1: accepted
	}{
		{"closed at once", text("", false), Unreachable},
		{"silence", text("", true), Unreachable},
		{"hangs in the status line", text("HTTP/1.1 20", true), Unreachable},
		{"hangs in the headers", text(ok+"Date: ", true), Unreachable},
		{"hangs in the body", text(long(len(good))+good[:50], true), Unreachable},
		{"body cut short", text(long(len(good))+good[:50], false), Unreachable},
		{"body dripping", drip, Unreachable},
		{"not HTTP", text("220 "+secretMark+" ESMTP ready\r\n\r\n", false), NotMetadata},
		{"malformed header", text(ok+tokenMark+"\r\n\r\n", false), NotMetadata},
		{"malformed length", text(ok+"Content-Length: "+tokenMark+"\r\n\r\n", false), NotMetadata},
		{"malformed chunk", text(ok+"Transfer-Encoding: chunked\r\n\r\n"+secretMark+"\r\n", false), NotMetadata},
		{"TLS", text("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false), NotMetadata},
		{"endless headers", endless(ok, "X-Filler: "+strings.Repeat("x", 1000)+"\r\n"), NotMetadata},
		{"endless header line", endless(ok+"X-Filler: ", strings.Repeat("x", 1000)), NotMetadata},
		{"endless body", endless(ok+"\r\n", strings.Repeat(" ", 1000)), BadResponse},
		{"endless chunks", endless(ok+"Transfer-Encoding: chunked\r\n\r\n", "5\r\n     \r\n"), BadResponse},
		{"endless 100", endless("", "HTTP/1.1 100 Continue\r\n\r\n"), NotMetadata},
		{"gzip", text(ok+"Content-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b\x08\x00", false), BadResponse},
		{"switching protocols", text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", true), BadResponse},
		{"no body", text("HTTP/1.1 204 No Content\r\n\r\n", false), BadResponse},
		{"1 TB promised", text(long(1<<40)+good, true), Unreachable},
		{"without length", text(ok+"Connection: close\r\n\r\n"+good, false), -1},
		{"HTTP/1.0", text("HTTP/1.0 200 OK\r\n\r\n"+good, false), -1},
		{"as HTML by its type", text(ok+"Content-Type: text/html\r\nConnection: close\r\n\r\n"+good, false), -1},
		{"as nonsense by its type", text(ok+"Content-Type: ;;;\r\nConnection: close\r\n\r\n"+good, false), -1},
		{"no Date", text(ok+"Connection: close\r\n\r\n"+good, false), -1},
		{"garbage as Date", text(ok+"Date: "+tokenMark+"\r\nConnection: close\r\n\r\n"+good, false), -1},
		{"Date of 1970", text(ok+"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n\r\n"+good, false), -1},
		{"Date of 9999", text(ok+"Date: Fri, 31 Dec 9999 23:59:59 GMT\r\nConnection: close\r\n\r\n"+good, false), -1},
		{"a cookie", text(ok+"Set-Cookie: a=b; Domain=100.100.100.200\r\nConnection: close\r\n\r\n"+good, false), -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				b.fake.intercept(func(w http.ResponseWriter, _ *http.Request, what string) bool {
					if !strings.HasPrefix(what, "GET credential") {
						return false
					}
					c, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return true
					}
					defer c.Close()
					tt.talk(c)
					return true
				})
				begin := time.Now()
				_, err := b.Get(t.Context())
				if took := time.Since(begin); took > attemptTimeout {
					t.Errorf("took %v", took)
				}
				if tt.kind >= 0 {
					wantKind(t, err, tt.kind)
				} else if err != nil {
					t.Errorf("Get: %v", err)
				}
				noSecrets(t, b.logs.String())
				time.Sleep(time.Second) // for the other side to notice that nobody listens
			})
		})
	}
}

// STS over https is not believed without a certificate, and does not see a
// token before it has one.
func TestAssumeRoleNeedsCertificate(t *testing.T) {
	var visits atomic.Int64
	sts := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	sts.Config.ErrorLog = discardLog()
	sts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	sts.StartTLS()
	defer sts.Close()
	p := New(Options{
		Endpoint:   serveLoopback(t, newFake()),
		AssumeRole: AssumeRole{ARN: "acs:ram::1:role/target", Endpoint: sts.URL},
	})
	_, err := p.Get(t.Context())
	if kindOf(err) != Unreachable || !strings.Contains(err.Error(), "certificate") || visits.Load() != 0 {
		t.Errorf("Get: %v; %d requests were served", err, visits.Load())
	}
}
