package ecs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/ecs"
)

const (
	tokenPath = "/latest/api/token"
	rolePath  = "/latest/meta-data/ram/security-credentials/"
)

// newServer returns a server on the clock of the test, with role "writer".
func newServer(lifetime time.Duration, mode ecs.Mode) *ecs.Server {
	return ecs.New(ecs.Options{
		Authority: authority.New(authority.Options{Lifetime: lifetime}),
		Role:      "writer",
		Mode:      mode,
	})
}

// ask sends one request, with the headers given as name, value, …
func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://100.100.100.200"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// token asks for a session token of an hour.
func token(t *testing.T, s *ecs.Server) string {
	t.Helper()
	w := ask(s, http.MethodPut, tokenPath, ecs.TTLHeader, "3600")
	if w.Code != http.StatusOK || w.Body.Len() == 0 {
		t.Fatalf("PUT token: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// get asks for an item with a new session token.
func get(t *testing.T, s *ecs.Server, path string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(s, http.MethodGet, path, ecs.TokenHeader, token(t, s))
}

// keys are the fields of a credential.
type keys struct{ AccessKeyId, AccessKeySecret, SecurityToken, Code, Expiration, LastUpdated string }

// credential asks for the credential of a role.
func credential(t *testing.T, s *ecs.Server, role string) keys {
	t.Helper()
	w := get(t, s, rolePath+role)
	var k keys
	if err := json.Unmarshal(w.Body.Bytes(), &k); w.Code != http.StatusOK || err != nil {
		t.Fatalf("GET credential of %s: %d %v %s", role, w.Code, err, w.Body)
	}
	return k
}

func TestTokenRequests(t *testing.T) {
	s := newServer(0, ecs.Hardened)
	for _, c := range []struct {
		name, method string
		header       []string
		status       int
	}{
		{"shortest", "PUT", []string{ecs.TTLHeader, "1"}, 200},
		{"longest", "PUT", []string{ecs.TTLHeader, "21600"}, 200},
		{"name in lower case", "PUT", []string{"x-aliyun-ecs-metadata-token-ttl-seconds", "60"}, 200},
		{"no TTL", "PUT", nil, 400},
		{"zero", "PUT", []string{ecs.TTLHeader, "0"}, 400},
		{"negative", "PUT", []string{ecs.TTLHeader, "-1"}, 400},
		{"too long", "PUT", []string{ecs.TTLHeader, "21601"}, 400},
		{"no number", "PUT", []string{ecs.TTLHeader, "60s"}, 400},
		{"through a proxy", "PUT", []string{ecs.TTLHeader, "60", "X-Forwarded-For", "10.0.0.1"}, 403},
		{"GET", "GET", []string{ecs.TTLHeader, "60"}, 405},
		{"POST", "POST", []string{ecs.TTLHeader, "60"}, 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(s, c.method, tokenPath, c.header...)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			checkPage(t, w)
		})
	}
}

// checkPage wants the XHTML of the service with each error, and a Date always.
func checkPage(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if _, err := http.ParseTime(w.Header().Get("Date")); err != nil {
		t.Errorf("Date: %v", err)
	}
	page := strings.HasPrefix(w.Body.String(), "<?xml") && strings.Contains(w.Body.String(), fmt.Sprintf("<h1>%d - ", w.Code))
	if page != (w.Code >= 400) {
		t.Errorf("status %d with body %q", w.Code, w.Body)
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode                         ecs.Mode
		put, bare, right, wrong, del int
	}{
		{ecs.Hardened, 200, 403, 200, 401, 405},
		{ecs.Optional, 200, 200, 200, 401, 405},
		{ecs.Disabled, 403, 403, 403, 403, 403},
	} {
		t.Run(string(c.mode), func(t *testing.T) {
			s := newServer(0, ecs.Hardened)
			tok := token(t, s)
			s.SetMode(c.mode)
			for _, r := range []struct {
				name string
				w    *httptest.ResponseRecorder
				want int
			}{
				{"PUT", ask(s, "PUT", tokenPath, ecs.TTLHeader, "60"), c.put},
				{"no token", ask(s, "GET", rolePath), c.bare},
				{"right token", ask(s, "GET", rolePath, ecs.TokenHeader, tok), c.right},
				{"wrong token", ask(s, "GET", rolePath, ecs.TokenHeader, tok+"x"), c.wrong},
				{"DELETE", ask(s, "DELETE", rolePath, ecs.TokenHeader, tok), c.del},
			} {
				if r.w.Code != r.want {
					t.Errorf("%s: status %d, want %d", r.name, r.w.Code, r.want)
				}
				checkPage(t, r.w)
			}
		})
	}
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0, ecs.Hardened)
		tok := ask(s, "PUT", tokenPath, ecs.TTLHeader, "60").Body.String()
		status := func() int { return ask(s, "GET", rolePath, ecs.TokenHeader, tok).Code }
		time.Sleep(60*time.Second - time.Nanosecond)
		if got := status(); got != 200 {
			t.Errorf("before its end: %d", got)
		}
		time.Sleep(time.Nanosecond)
		if got := status(); got != 401 {
			t.Errorf("at its end: %d, want 401", got)
		}
		tok = token(t, s)
		s.ExpireTokens()
		if got := status(); got != 401 {
			t.Errorf("after ExpireTokens: %d, want 401", got)
		}
	})
}

func TestItems(t *testing.T) {
	s := ecs.New(ecs.Options{
		Authority: authority.New(authority.Options{}), Role: "writer",
		InstanceID: "i-1", Region: "cn-beijing", AccountID: "42", Serial: "s-1",
	})
	for path, want := range map[string]string{
		"/latest/meta-data/instance-id":                   "i-1",
		"/latest/meta-data/region-id":                     "cn-beijing",
		"/2016-01-01/meta-data/zone-id":                   "cn-beijing-i",
		"/latest/meta-data/owner-account-id":              "42",
		"/latest/meta-data/serial-number":                 "s-1",
		"/latest/meta-data/instance/":                     "instance-type",
		"/latest/meta-data/ram/":                          "security-credentials/",
		"/latest/meta-data/ram/security-credentials":      "writer",
		"/latest/meta-data/ram/security-credentials/":     "writer",
		"/latest/meta-data/Ram/security-credentials/":     "writer",
		"/2016-01-01/meta-data/ram/security-credentials/": "writer",
		"/latest/": "dynamic/\nmeta-data/",
		"/latest/meta-data/instance/spot/termination-time":    "",
		"/latest/meta-data/nothing":                           "",
		"/latest/meta-data/instance":                          "",
		"/latest/meta-data/ram/security-credentials/other":    "",
		"/latest/meta-data/ram/security-credentials/writer/x": "",
		"/latest/dynamic/instance-identity/pkcs7":             "",
		"/meta-data/instance-id":                              "",
		"/":                                                   "",
	} {
		w := get(t, s, path)
		if want == "" {
			if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "<title>404 - Not Found</title>") {
				t.Errorf("%s: %d %s, want the 404 page", path, w.Code, w.Body)
			}
		} else if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	if list := get(t, s, "/latest/meta-data/").Body.String(); !strings.Contains(list, "\nram/\n") || !strings.Contains(list, "\nzone-id") {
		t.Errorf("list of items: %q", list)
	}
}

func TestDocument(t *testing.T) {
	s := newServer(0, ecs.Hardened)
	var got map[string]string
	w := get(t, s, "/latest/dynamic/instance-identity/document")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	o := s.Options()
	for key, want := range map[string]string{
		"instance-id": o.InstanceID, "region-id": o.Region, "zone-id": o.Zone,
		"owner-account-id": o.AccountID, "serial-number": o.Serial,
	} {
		if got[key] != want || want == "" {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if len(got) != 9 {
		t.Errorf("the document has %d keys, want 9: %v", len(got), got)
	}
}

func TestSpotTermination(t *testing.T) {
	s := newServer(0, ecs.Hardened)
	s.SetSpotTermination(time.Date(2026, 1, 5, 18, 2, 0, 0, time.FixedZone("", 8*3600)))
	if got := get(t, s, "/latest/meta-data/instance/spot/termination-time").Body.String(); got != "2026-01-05T10:02:00Z" {
		t.Errorf("termination time %q", got)
	}
}

func TestLog(t *testing.T) {
	s := newServer(0, ecs.Hardened)
	credential(t, s, "writer")
	ask(s, "GET", rolePath)
	get(t, s, "/latest/dynamic/instance-identity/document")
	type line struct {
		op, method, path string
		token            bool
		status           int
	}
	want := []line{
		{ecs.OpToken, "PUT", tokenPath, false, 200},
		{ecs.OpCredentials, "GET", rolePath + "writer", true, 200},
		{ecs.OpRole, "GET", rolePath, false, 403},
		{ecs.OpToken, "PUT", tokenPath, false, 200},
		{ecs.OpDocument, "GET", "/latest/dynamic/instance-identity/document", true, 200},
	}
	all := s.Requests().Entries()
	if len(all) != len(want) || s.Requests().Count() != len(want) {
		t.Fatalf("%d requests logged, want %d", len(all), len(want))
	}
	for i, r := range all {
		if got := (line{r.Op, r.Method, r.Path, r.Token, r.Status}); got != want[i] {
			t.Errorf("request %d: %+v, want %+v", i, got, want[i])
		}
	}
	if got := all[0].Header.Get(ecs.TTLHeader); got != "3600" {
		t.Errorf("TTL header %q in the log", got)
	}
	if got := s.Requests().Count(ecs.OpToken, ecs.OpRole); got != 3 {
		t.Errorf("Count = %d, want 3", got)
	}
	s.Requests().Reset()
	if s.Requests().Count() != 0 {
		t.Error("Reset leaves requests")
	}
}

// TestHang is in a bubble, so that it takes no time however long the client
// waits.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0, ecs.Hardened)
		s.Faults().Add(ecs.Fault{Op: ecs.OpToken, Hang: true, Count: 1}, ecs.Fault{Latency: 3 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
		defer cancel()
		start := time.Now()
		r := httptest.NewRequestWithContext(ctx, "PUT", "http://100.100.100.200"+tokenPath, nil)
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("a hanging request ended with %v, want its connection cut", got)
				}
			}()
			s.ServeHTTP(httptest.NewRecorder(), r)
		}()
		if got := time.Since(start); got != 5*time.Hour {
			t.Errorf("a hanging request ended after %v", got)
		}
		if all := s.Requests().Entries(); len(all) != 1 || all[0].Status != 0 {
			t.Errorf("log %+v, want one request without an answer", all)
		}
		start = time.Now()
		token(t, s)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("a slow request took %v, want 3s", got)
		}
	})
}
