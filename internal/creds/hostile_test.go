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

func TestCodeNotSuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		b.fake.answer("GET credential", 200, `{"Code":"Fail"}`)
		_, err := b.Get(t.Context())
		wantKind(t, err, BadResponse)
		if !strings.Contains(err.Error(), "Fail") {
			t.Errorf("error %q does not name the code", err)
		}
		time.Sleep(5 * time.Minute)
		if n := b.fake.count("PUT"); n > 20 {
			t.Errorf("%d attempts in 5 minutes", n)
		}
		b.fake.heal()
		time.Sleep(time.Minute)
		b.want(t, "STS.app.1")
	})
}

// Each member absent, null, of another type, empty, with white space or a
// control character, and twice.
func TestCredentialDocuments(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	good := map[string]string{
		"AccessKeyId": `"STS.x"`, "AccessKeySecret": `"` + secretMark + `"`, "SecurityToken": `"` + tokenMark + `"`,
		"Expiration": `"2026-01-02T18:00:00Z"`, "Code": `"Success"`, "LastUpdated": `"2026-01-02T12:00:00Z"`,
	}
	build := func(key, value string) []byte {
		var parts []string
		for k, v := range good {
			if k == key {
				v = value
			}
			if v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		return []byte("{" + strings.Join(parts, ",") + "}")
	}
	if _, err := parseCredential(build("", ""), "app", now); err != nil {
		t.Fatalf("good document: %v", err)
	}
	values := map[string]string{
		"absent": "", "null": "null", "number": "12", "object": `{"a":1}`, "list": `["x"]`, "bool": "true",
		"empty": `""`, "space": `"a b"`, "newline": `"a\nb"`, "NUL": `"a\u0000b"`, "not ASCII": `"ä"`, "huge": `"` + strings.Repeat("x", 40<<10) + `"`,
		"twice": good["Code"] + `,"Code":"Success","AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c","Expiration":"d"`,
	}
	for key := range good {
		for what, value := range values {
			_, err := parseCredential(build(key, value), "app", now)
			if key == "LastUpdated" && what != "twice" {
				if err != nil {
					t.Errorf("%s %s: %v; want it ignored", key, what, err)
				}
				continue
			}
			if kindOf(err) != BadResponse {
				t.Errorf("%s %s: error %v", key, what, err)
				continue
			}
			noSecrets(t, err.Error())
		}
	}
	lower := []byte(strings.ReplaceAll(string(build("", "")), "AccessKeyId", "accesskeyid"))
	if _, err := parseCredential(lower, "app", now); kindOf(err) != BadResponse {
		t.Errorf("key in another case: %v", err)
	}
}

func TestNotOneJSONObject(t *testing.T) {
	one := credentialJSON("app", 1, time.Now().Add(time.Hour))
	for _, body := range []string{"", " ", "null", `"x"`, "[]", "{", one[:len(one)-1], one + one, one + "x", "[" + one + "]", "\x00" + one, "{\"a\" 1}", "{1:2}", strings.Repeat("[", 100_000)} {
		if _, err := parseCredential([]byte(body), "app", time.Now()); kindOf(err) != BadResponse {
			t.Errorf("%.40q: error %v", body, err)
		}
	}
	if _, err := parseCredential([]byte("\r\n"+one+"\n \t"), "app", time.Now()); err != nil {
		t.Errorf("white space around: %v", err)
	}
}

func TestCodeOfAnyCase(t *testing.T) {
	body := strings.Replace(credentialJSON("app", 1, time.Now().Add(time.Hour)), `"Success"`, `"SUCCESS"`, 1)
	if _, err := parseCredential([]byte(body), "app", time.Now()); err != nil {
		t.Error(err)
	}
}

func TestCodeIsNotEchoedBlindly(t *testing.T) {
	_, err := parseCredential([]byte(`{"Code":"<script>alert(1)</script>"}`), "app", time.Now())
	wantKind(t, err, BadResponse)
}

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

// An answer as long as is allowed, and one byte more.
func TestBodyLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		good := credentialJSON("app", 1, time.Now().Add(time.Hour))
		b.fake.answer("GET credential", 200, good+strings.Repeat(" ", maxBody+1-len(good)))
		_, err := b.Get(t.Context())
		wantKind(t, err, BadResponse)
		b.fake.answer("GET credential", 200, good+strings.Repeat(" ", maxBody-len(good)))
		time.Sleep(time.Minute)
		b.want(t, "STS.app.1")
	})
}

func TestLongToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		long := strings.Repeat("t", 16<<10)
		b.fake.answer("GET credential", 200, strings.Replace(credentialJSON("app", 1, time.Now().Add(time.Hour)), tokenMark+".app.1", long, 1))
		s, err := b.Get(t.Context())
		if err != nil || s.SecurityToken.Reveal() != long {
			t.Errorf("a token of 16 KiB: %v", err)
		}
	})
}

func TestClockOffset(t *testing.T) {
	tests := []struct {
		name string
		off  time.Duration // of this machine's clock
		warn bool
	}{
		{"right", 0, false},
		{"a little off", 50 * time.Second, false},
		{"a minute fast", 65 * time.Second, true},
		{"nine minutes slow", -9 * time.Minute, true},
		{"eight hours fast, as with a BIOS in local time", 8 * time.Hour, true},
		{"eight hours slow", -8 * time.Hour, true},
		{"years slow, as without a battery", -6 * 365 * 24 * time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t, func(o *Options) {
					o.wall = func() time.Time { return time.Now().Add(tt.off) }
				})
				b.start(t)
				s := b.want(t, "STS.app.1")
				if got := b.Offset(); (got + tt.off).Abs() > time.Second {
					t.Errorf("Offset = %v, want %v", got, -tt.off)
				}
				if warned := strings.Contains(b.logs.String(), "clock is wrong"); warned != tt.warn {
					t.Errorf("warned: %v, want %v", warned, tt.warn)
				}
				time.Sleep(time.Until(s.Expires) + time.Minute) // in true time
				b.want(t, "STS.app.2")
			})
		})
	}
}

func TestObserveDate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		if b.Offset() != 0 {
			t.Errorf("Offset = %v before anything was seen", b.Offset())
		}
		b.ObserveDate(time.Now().Add(20 * time.Minute).Truncate(time.Second))
		if got := b.Offset(); (got - 20*time.Minute).Abs() > time.Second {
			t.Errorf("Offset = %v, want 20m", got)
		}
		b.ObserveDate(time.Unix(0, 0))
		b.ObserveDate(time.Time{})
		if got := b.Offset(); (got - 20*time.Minute).Abs() > time.Second {
			t.Errorf("Offset = %v after a senseless date", got)
		}
	})
}

// OSS may be wrong about the time; the one who issues a credential is not, as
// far as its expiry goes.
func TestMetadataClockDecidesExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.ObserveDate(time.Now().Add(24 * time.Hour))
		if got, err := b.Get(t.Context()); got != s || err != nil {
			t.Errorf("Get = %v, %v after a wrong date from OSS", got, err)
		}
		if b.Offset() < 23*time.Hour {
			t.Errorf("Offset = %v: requests to OSS need its time", b.Offset())
		}
	})
}

// The clock is set right while the agent runs.
func TestClockIsSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var off atomic.Int64
		off.Store(int64(8 * time.Hour))
		b := newBench(t, func(o *Options) {
			o.wall = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		})
		b.start(t)
		s := b.want(t, "STS.app.1")
		off.Store(0)
		time.Sleep(tick + jumped + time.Second)
		if got := b.Offset(); got.Abs() > time.Second {
			t.Errorf("Offset = %v after the clock was set", got)
		}
		time.Sleep(time.Until(s.Expires) - overlap - time.Minute)
		b.want(t, "STS.app.1")
	})
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
