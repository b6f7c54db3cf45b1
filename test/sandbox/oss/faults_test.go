package oss_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/test/sandbox/oss"
)

func TestFaultsThatAnswer(t *testing.T) {
	s := start(t)
	b := s.client(t, sdk.RedirectEnabled(false))
	put := func() error { return b.PutObject("k", strings.NewReader("x")) }
	for _, tt := range []struct {
		name  string
		fault oss.Fault
		want  string
	}{
		{"throttled", oss.Throttled(50 * time.Millisecond), "503 TotalQpsLimitExceeded"},
		{"any status and code", oss.Fault{Status: 403, Code: "AccessDenied"}, "403 AccessDenied"},
		{"another operation", oss.Fault{Op: oss.GetObject, Status: 500}, "<nil>"},
		{"another bucket", oss.Fault{Bucket: "other", Status: 500}, "<nil>"},
		{"another key", oss.Fault{Key: "other*", Status: 500}, "<nil>"},
		{"this key", oss.Fault{Key: "?", Status: 500}, "500 InternalError"},
		{"skipped", oss.Fault{Skip: 1, Status: 500}, "<nil>"},
		{"expired token", oss.Fault{Token: oss.TokenExpired}, "403 SecurityTokenExpired"},
		{"invalid token", oss.Fault{Token: oss.TokenInvalid}, "403 InvalidSecurityToken"},
		{"revoked key", oss.Fault{Token: oss.TokenRevoked}, "403 InvalidAccessKeyId"},
		{"clock an hour off", oss.Fault{Skew: time.Hour}, "403 RequestTimeTooSkewed"},
		{"clock a minute off", oss.Fault{Skew: time.Minute}, "<nil>"},
		{"latency alone", oss.Fault{Latency: time.Millisecond}, "<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Requests().Reset()
			id := s.Faults().Add(tt.fault)
			defer s.Faults().Remove(id)
			if got := code(put()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			r := s.Requests().Select(oss.PutObject)
			if hits := s.Faults().Hits(id); len(r) != 1 || r[0].Fault != (hits == 1) {
				t.Errorf("%d hits, log %+v", hits, r)
			}
		})
	}

	s.Faults().Add(oss.BadGateway())
	var service sdk.ServiceError
	if err := put(); err == nil || errors.As(err, &service) || !strings.Contains(err.Error(), "502") {
		t.Errorf("a page of HTML: %v, want an error that is none of the service", err)
	}
	s.Faults().Clear()

	s.Faults().Add(oss.Fault{Redirect: "http://127.0.0.1:1/elsewhere"})
	if err := put(); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("a redirect: %v", err)
	}
	s.Faults().Clear()

	s.Faults().Add(oss.Fault{Op: oss.ListObjects, Truncate: true})
	if _, err := b.ListObjects(); err == nil {
		t.Error("half a document was taken for a whole one")
	}
	s.Faults().Clear()

	s.Faults().Add(oss.Fault{CRC: oss.CRCWrong})
	if err := put(); err == nil || !strings.Contains(err.Error(), "crc") {
		t.Errorf("a wrong CRC: %v", err)
	}
	s.Faults().Clear()

	s.Faults().Add(oss.Fault{CRC: oss.CRCMissing})
	var h http.Header
	if err := b.PutObject("k", strings.NewReader("x"), sdk.GetResponseHeader(&h)); err != nil || h.Get("X-Oss-Hash-Crc64ecma") != "" {
		t.Errorf("no CRC: %v, header %q", err, h.Get("X-Oss-Hash-Crc64ecma"))
	}
}

// TestResets cuts connections at each place, for puts of a size that is stored
// at once and one that is streamed.
func TestResets(t *testing.T) {
	s := start(t)
	b := s.client(t)
	for _, size := range []int{100, 1 << 20} {
		old, fresh := random(size), random(size)
		for _, tt := range []struct {
			fault  oss.Fault
			stored bool
		}{
			{oss.Fault{Reset: oss.ResetBefore}, false},
			{oss.Fault{Reset: oss.ResetRequest}, false},
			{oss.Fault{Reset: oss.ResetAfter}, false},
			{oss.Fault{LoseReply: true}, true},
		} {
			if err := b.PutObject("k", bytes.NewReader(old)); err != nil {
				t.Fatal(err)
			}
			tt.fault.Op, tt.fault.Count = oss.PutObject, 1
			s.Faults().Add(tt.fault)
			err := b.PutObject("k", bytes.NewReader(fresh))
			if err == nil || strings.HasPrefix(code(err), "5") {
				t.Errorf("%d bytes, %+v: got %v, want a broken connection", size, tt.fault, err)
			}
			got := get(t, b, "k")
			if want := map[bool][]byte{false: old, true: fresh}[tt.stored]; !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %+v: what is stored is not what should be", size, tt.fault)
			}
			s.Faults().Clear()
		}
		s.Faults().Add(oss.Fault{Reset: oss.ResetResponse})
		r, err := b.GetObject("k")
		if err == nil {
			var got []byte
			got, err = io.ReadAll(r)
			if err == nil || len(got) >= size {
				t.Errorf("%d bytes read of an answer that was cut, and %v", len(got), err)
			}
		}
		s.Faults().Clear()
	}
}

func TestFaultCounts(t *testing.T) {
	s := start(t)
	b := s.client(t)
	fails := func(n int) string {
		pattern := ""
		for range n {
			if err := b.PutObject("k", strings.NewReader("x")); err == nil {
				pattern += "."
			} else {
				pattern += "x"
			}
		}
		return pattern
	}
	s.Faults().Add(oss.Fault{Status: 500, Skip: 2, Count: 3})
	if got, want := fails(8), "..xxx..."; got != want {
		t.Errorf("skip 2, count 3: %s, want %s", got, want)
	}
	s.Faults().Clear()
	id := s.Faults().Add(oss.Fault{Status: 500, Rate: 0.3})
	got := fails(200)
	if n := strings.Count(got, "x"); n < 40 || n > 80 || n != s.Faults().Hits(id) {
		t.Errorf("rate 0.3: %d of 200, %d hits", n, s.Faults().Hits(id))
	}
}

func TestHangAndBandwidth(t *testing.T) {
	s := start(t)
	b := s.client(t)
	if err := b.PutObject("k", bytes.NewReader(random(1000))); err != nil {
		t.Fatal(err)
	}
	id := s.Faults().Add(oss.Fault{Hang: true})
	done := make(chan error)
	go func() { done <- b.PutObject("k", strings.NewReader("x")) }()
	for s.Faults().Hits(id) == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Faults().Remove(id)
	if err := <-done; err == nil {
		t.Error("a put that hung succeeded")
	}
	s.Faults().Add(oss.Fault{Bandwidth: 10_000})
	for what, do := range map[string]func(){
		"put": func() { b.PutObject("k", bytes.NewReader(random(1000))) },
		"get": func() { get(t, b, "k") },
	} {
		begin := time.Now()
		if do(); time.Since(begin) < 90*time.Millisecond {
			t.Errorf("%s of 1,000 bytes at 10,000 a second took %v", what, time.Since(begin))
		}
	}
}

func TestControl(t *testing.T) {
	s := start(t)
	srv := httptest.NewServer(s.Control())
	defer srv.Close()
	b := s.client(t)
	do := func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, _ := io.ReadAll(res.Body)
		return res.StatusCode, strings.TrimSpace(string(got))
	}
	if status, body := do("POST", "/-/faults", `{"op":"PutObject","key":"a*","latency":"1ms","status":503,"code":"ServiceUnavailable"}`); status != 200 || body != `{"id":1}` {
		t.Fatalf("POST = %d %s", status, body)
	}
	for _, bad := range []string{`{"op":"Nothing"}`, `{"rate":2}`, `{"reset":"never"}`, `{"latency":"x"}`, `{"code":"x"}`, `[`} {
		if status, body := do("POST", "/-/faults", bad); status != 400 {
			t.Errorf("POST %s = %d %s, want 400", bad, status, body)
		}
	}
	if err := b.PutObject("abc", strings.NewReader("x")); code(err) != "503 ServiceUnavailable" {
		t.Errorf("got %v", err)
	}
	if err := b.PutObject("b", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	_, body := do("GET", "/-/faults", "")
	if want := `[{"id":1,"fault":{"op":"PutObject","key":"a*","status":503,"code":"ServiceUnavailable","latency":"1ms"},"hits":1}]`; body != want {
		t.Errorf("GET faults = %s, want %s", body, want)
	}
	_, body = do("GET", "/-/requests?op=PutObject&key=a*", "")
	var log struct {
		Requests []oss.Request
		Counters map[oss.Op]oss.Counter
	}
	if err := json.Unmarshal([]byte(body), &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Requests) != 1 || log.Requests[0].Status != 503 || log.Requests[0].Code != "ServiceUnavailable" {
		t.Errorf("GET requests = %s", body)
	}
	if c := log.Counters[oss.PutObject]; c.Requests != 2 || c.Errors != 1 || c.In != 1 || c.Out != log.Requests[0].Out {
		t.Errorf("counter = %+v", c)
	}
	if status, _ := do("DELETE", "/-/faults/1", ""); status != 204 || len(s.Faults().List()) != 0 {
		t.Errorf("DELETE = %d", status)
	}
	if status, _ := do("DELETE", "/-/faults/1", ""); status != 404 {
		t.Errorf("DELETE again = %d, want 404", status)
	}
	if do("DELETE", "/-/requests", ""); len(s.Requests().Entries()) != 0 || s.Requests().Count(oss.PutObject) != 0 {
		t.Error("the log is not empty after DELETE")
	}
}
