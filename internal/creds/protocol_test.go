package creds

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHappyPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
		for _, h := range b.fake.headers[1:] {
			if h.Get(tokenHeader) != "metadata-token-0" {
				t.Errorf("token header = %q on a GET", h.Get(tokenHeader))
			}
		}
		if s.Generation != 1 || s.Role != "app" || s.Source != "metadata" || time.Until(s.Expires) < 5*time.Hour {
			t.Errorf("snapshot = %+v", s)
		}
		for range 10_000 {
			if got, err := b.Credentials(); got != s || err != nil {
				t.Fatalf("Credentials = %v, %v", got, err)
			}
			b.want(t, "STS.app.1")
		}
		if n := len(b.fake.requests()); n != 3 {
			t.Errorf("%d requests after 20,000 more calls, want 3", n)
		}
	})
}

func TestPinnedRole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, func(o *Options) { o.Role = "app" })
		b.want(t, "STS.app.1")
		b.fake.wantRequests(t, "PUT token", "GET credential app")
	})
}

func TestTTLHeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.want(t, "STS.app.1")
		h := b.fake.headers[0]
		if ttl, err := strconv.Atoi(h.Get(tokenTTLHeader)); err != nil || ttl < 1 || ttl > 21600 {
			t.Errorf("ttl header = %q", h.Get(tokenTTLHeader))
		}
		if h.Get("Content-Length") != "0" && h.Get("Content-Length") != "" {
			t.Errorf("PUT with a body of %s bytes", h.Get("Content-Length"))
		}
		for _, h := range b.fake.headers {
			if h.Get("X-Forwarded-For") != "" || h.Get("User-Agent") != userAgent {
				t.Errorf("headers = %v", h)
			}
		}
	})
}

// No failure of the PUT, and no environment, brings a request without a token.
func TestNoUnhardenedModeEver(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_IMDSV1_DISABLED", "false")
	t.Setenv("ALIBABA_CLOUD_ECS_IMDSV2_ENABLE", "false")
	tests := []struct {
		name   string
		status int
		kind   Kind
	}{
		{"bad request", 400, Refused},
		{"unauthorized", 401, Refused},
		{"forbidden", 403, Disabled},
		{"not found", 404, NotMetadata},
		{"wrong method", 405, NotMetadata},
		{"redirect", 302, NotMetadata},
		{"too many", 429, Unreachable},
		{"server error", 500, Unreachable},
		{"unavailable", 503, Unreachable},
		{"teapot", 418, BadResponse},
		{"no content", 204, BadResponse},
		{"hangs", 0, Unreachable},
		{"reset", -1, Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				b.fake.intercept(func(w http.ResponseWriter, r *http.Request, what string) bool {
					switch {
					case tt.status > 0:
						w.WriteHeader(tt.status)
						_, _ = io.WriteString(w, notFound)
					case tt.status == 0:
						<-r.Context().Done()
					default:
						panic(http.ErrAbortHandler)
					}
					return true
				})
				begin := time.Now()
				_, err := b.Get(t.Context())
				wantKind(t, err, tt.kind)
				if took := time.Since(begin); took > attemptTimeout {
					t.Errorf("took %v", took)
				}
				for i, what := range b.fake.requests() {
					if what != "PUT token" || b.fake.headers[i].Get(tokenTTLHeader) == "" {
						t.Errorf("request %s without token", what)
					}
				}
				if _, again := b.Get(t.Context()); kindOf(again) != tt.kind {
					t.Errorf("second Get: %v, want %v", again, tt.kind)
				}
				if n := b.fake.count(""); n > 2 {
					t.Errorf("%d requests of two calls: a hot loop", n)
				}
			})
		})
	}
}

func TestDisabledByEnvironment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		newBench(t, cached(dir)).want(t, "STS.app.1") // a cache does not count either
		b := newBench(t, cached(dir), func(o *Options) { o.Disabled = true })
		_, err := b.Get(t.Context())
		wantKind(t, err, DisabledByEnv)
		if !strings.Contains(err.Error(), "ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
			t.Errorf("error %q does not name the variable", err)
		}
		_, err1 := b.Credentials()
		_, err2 := b.Identity(t.Context())
		_, err3 := b.Refresh(t.Context(), 1)
		_, _, err4 := b.TerminationTime(t.Context())
		err5 := b.Run(t.Context())
		b.Invalidate(1)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			wantKind(t, err, DisabledByEnv)
		}
		b.fake.wantRequests(t)
	})
}

func TestUnauthorizedOnce(t *testing.T) {
	for _, at := range []string{"GET role", "GET credential app"} {
		t.Run(at, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				var once bool
				b.fake.intercept(func(w http.ResponseWriter, _ *http.Request, what string) bool {
					if what != at || once {
						return false
					}
					once = true
					w.WriteHeader(http.StatusUnauthorized)
					return true
				})
				b.want(t, "STS.app.1")
				if got := b.fake.count("PUT"); got != 2 {
					t.Errorf("%d PUTs, want 2", got)
				}
				if got := b.fake.count(at); got != 2 {
					t.Errorf("%d times %s, want 2", got, at)
				}
			})
		})
	}
}

func TestUnauthorizedAlways(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.fail("GET", http.StatusUnauthorized)
		_, err := b.Get(t.Context())
		wantKind(t, err, Refused)
		b.fake.wantRequests(t, "PUT token", "GET role", "PUT token", "GET role")
		_, _ = b.Get(t.Context())
		if n := len(b.fake.requests()); n != 4 {
			t.Errorf("%d requests, want no more within the backoff", n)
		}
	})
}

func TestNoRole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.role = ""
		b.start(t)
		_, err := b.Get(t.Context())
		wantKind(t, err, NoRole)
		time.Sleep(10 * time.Minute)
		if n := b.fake.count("PUT"); n < 9 || n > 22 {
			t.Errorf("%d attempts in 10 minutes, want one or two a minute", n)
		}
		b.fake.set(func() { b.fake.role = "app" })
		time.Sleep(time.Minute + time.Second)
		b.want(t, "STS.app.1")
	})
}

func TestEmptyRoleList(t *testing.T) {
	for _, body := range []string{"", "\n", "  \r\n "} {
		bubble(t, func(t *testing.T) {
			b := newBench(t)
			b.fake.answer("GET role", 200, body)
			_, err := b.Get(t.Context())
			wantKind(t, err, NoRole)
		})
	}
}

func TestWrongPinnedRole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, func(o *Options) { o.Role = "other" })
		_, err := b.Get(t.Context())
		wantKind(t, err, WrongRole)
		for _, name := range []string{"other", "app"} {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("error %q does not name %s", err, name)
			}
		}
	})
}

func TestPinnedRoleButNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, func(o *Options) { o.Role = "other" })
		b.fake.role = ""
		_, err := b.Get(t.Context())
		wantKind(t, err, NoRole)
	})
}

// The role is replaced between the list and the credential.
func TestRoleSwappedBetweenRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.intercept(func(_ http.ResponseWriter, _ *http.Request, what string) bool {
			if what == "GET credential app" {
				b.fake.set(func() { b.fake.role = "next" })
			}
			return false
		})
		b.want(t, "STS.next.1")
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app", "GET role", "GET credential next")
	})
}

func TestListedRoleWithoutCredential(t *testing.T) {
	for _, pinned := range []string{"", "app"} {
		bubble(t, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Role = pinned })
			b.fake.fail("GET credential", http.StatusNotFound)
			_, err := b.Get(t.Context())
			wantKind(t, err, BadResponse)
			if !strings.Contains(err.Error(), "app") {
				t.Errorf("error %q does not name the role", err)
			}
			if n := b.fake.count("GET credential"); n > 2 {
				t.Errorf("%d requests for the credential, want the list read again once at most", n)
			}
		})
	}
}

func TestRoleNames(t *testing.T) {
	tests := []struct {
		name, body string
		kind       Kind // -1: accepted
	}{
		{"with CRLF", "app\r\n", -1},
		{"second line ignored", "app\nother\n", -1},
		{"longest", strings.Repeat("a", 64), -1},
		{"all characters", "A.b_c@D-9", -1},
		{"too long", strings.Repeat("a", 65), BadResponse},
		{"NUL", "ap\x00p", BadResponse},
		{"CR inside", "ap\rp", BadResponse},
		{"path", "../../api/token", BadResponse},
		{"dots", "..", BadResponse},
		{"query", "app?x=1", BadResponse},
		{"percent", "app%2e", BadResponse},
		{"not ASCII", "rôle", BadResponse},
		{"invalid UTF-8", "app\xff", BadResponse},
		{"page", "<!DOCTYPE html><title>Log in</title>", NotMetadata},
		{"page after BOM", "\ufeff \n<html>", NotMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				role := strings.TrimSpace(strings.SplitN(tt.body, "\n", 2)[0])
				b.fake.role = role
				b.fake.answer("GET role", 200, tt.body)
				s, err := b.Get(t.Context())
				if tt.kind >= 0 {
					wantKind(t, err, tt.kind)
					b.fake.wantRequests(t, "PUT token", "GET role")
				} else if err != nil || s.Role != role {
					t.Errorf("Get = %v, %v", s, err)
				}
			})
		})
	}
}

func TestTokens(t *testing.T) {
	tests := []struct {
		name, body string
		kind       Kind
	}{
		{"white space around", " \ttoken==\r\n", -1},
		{"longest", strings.Repeat("x", 2048), -1},
		{"too long", strings.Repeat("x", 2049), BadResponse},
		{"empty", "", BadResponse},
		{"two words", "a b", BadResponse},
		{"header injection", "a\r\nX-Evil: 1", BadResponse},
		{"control character", "a\x01", BadResponse},
		{"page", "<html>Sign in to WiFi</html>", NotMetadata},
		{"over the limit", strings.Repeat("x", maxBody+1), BadResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				token := strings.TrimSpace(tt.body)
				b.fake.tokens[token] = -1
				b.fake.answer("PUT token", 200, tt.body)
				_, err := b.Get(t.Context())
				if tt.kind >= 0 {
					wantKind(t, err, tt.kind)
					b.fake.wantRequests(t, "PUT token")
				} else if err != nil {
					t.Errorf("Get: %v", err)
				}
			})
		})
	}
}

func TestForbiddenItem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.fail("GET", http.StatusForbidden)
		_, err := b.Get(t.Context())
		wantKind(t, err, Refused)
		b.fake.wantRequests(t, "PUT token", "GET role")
	})
}

func TestIdentity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		for range 3 {
			if id, err := b.Identity(t.Context()); err != nil || id != b.fake.identity {
				t.Fatalf("Identity = %+v, %v", id, err)
			}
		}
		b.fake.wantRequests(t, "PUT token", "GET document")
	})
}

func TestIdentityDocuments(t *testing.T) {
	good := `{"instance-id":"i-1","region-id":"cn-x","zone-id":"cn-x-a","owner-account-id":"12"`
	tests := []struct{ name, body string }{
		{"not JSON", "i-1"},
		{"array", "[]"},
		{"missing key", `{"instance-id":"i-1","region-id":"cn-x","zone-id":"z"}`},
		{"null", strings.Replace(good, `"12"`, "null", 1) + "}"},
		{"number", strings.Replace(good, `"12"`, "12", 1) + "}"},
		{"duplicate key", good + `,"instance-id":"i-2"}`},
		{"host in region", strings.Replace(good, "cn-x", "evil.example/", 1) + "}"},
		{"trailing", good + `}{}`},
		{"unfinished", good},
		{"empty", ""},
	}
	for _, tt := range tests {
		if _, err := parseIdentity([]byte(tt.body)); kindOf(err) != BadResponse {
			t.Errorf("%s: error = %v", tt.name, err)
		}
	}
	if id, err := parseIdentity([]byte(good + "}")); err != nil || id.AccountID != "12" {
		t.Errorf("good document: %+v, %v", id, err)
	}
}

func TestTerminationTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		if at, set, err := b.TerminationTime(t.Context()); set || err != nil {
			t.Errorf("none set: %v, %v, %v", at, set, err)
		}
		b.fake.wantRequests(t, "PUT token", "GET termination")
		b.fake.answer("GET termination", 200, "2026-01-05T18:02:00Z\n")
		want := time.Date(2026, 1, 5, 18, 2, 0, 0, time.UTC)
		if at, set, err := b.TerminationTime(t.Context()); !set || err != nil || !at.Equal(want) {
			t.Errorf("set: %v, %v, %v", at, set, err)
		}
		b.fake.answer("GET termination", 200, "soon")
		_, _, err := b.TerminationTime(t.Context())
		wantKind(t, err, BadResponse)
		b.fake.fail("GET termination", 500)
		_, _, err = b.TerminationTime(t.Context())
		wantKind(t, err, Unreachable)
	})
}

func TestEndpoints(t *testing.T) {
	good := []string{"", DefaultEndpoint, DefaultEndpoint + "/", "http://100.100.100.200:80", "http://127.0.0.1:8080", "http://[::1]:80", "http://127.8.9.1"}
	bad := []string{
		"https://100.100.100.200", "http://100.100.100.201", "http://100.100.100.200:8080", "http://example.com",
		"http://localhost:80", "http://169.254.169.254", "http://user:pw@127.0.0.1", "http://127.0.0.1/latest",
		"http://127.0.0.1?x", "http://127.0.0.1#x", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "://", "http://0.0.0.0",
		"http://100.100.100.200.evil.example", "http://[::ffff:100.100.100.201]", "http://[::1%25eth0]", "http://2130706433",
	}
	for _, e := range good {
		if err := (Options{Endpoint: e}).Check(); err != nil {
			t.Errorf("%q: %v", e, err)
		}
	}
	for _, e := range bad {
		err := (Options{Endpoint: e}).Check()
		if err == nil {
			t.Errorf("%q is accepted", e)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: the error shows the password: %v", e, err)
		}
		_, err = New(Options{Endpoint: e}).Get(t.Context())
		if kindOf(err) != Misconfigured {
			t.Errorf("%q: Get: %v", e, err)
		}
	}
}

func TestOptionsReportAllAtOnce(t *testing.T) {
	err := Options{
		Endpoint: "http://example.com", Role: "a/b", CacheDir: "relative",
		AssumeRole: AssumeRole{
			ARN: "nonsense", SessionName: "a b", ExternalID: "x", Policy: strings.Repeat("p", 2049),
			Duration: time.Minute, Endpoint: "http://sts.example.com",
		},
	}.Check()
	if err == nil {
		t.Fatal("accepted")
	}
	if got := strings.Split(err.Error(), "\n"); len(got) != 9 {
		t.Errorf("%d mistakes reported, want 9: %q", len(got), got)
	}
	if err := (Options{AssumeRole: AssumeRole{SessionName: "osssync-{instance_id}", Duration: time.Hour}}).Check(); err != nil {
		t.Errorf("defaults without a role to assume: %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for k := Pending; k <= Denied; k++ {
		if hints[k] == "" || kindNames[k] == "" {
			t.Errorf("kind %d has no name or hint", k)
		}
	}
	if !slices.Contains([]string{Kind(99).String()}, "Kind(99)") || Kind(-1).String() != "Kind(-1)" {
		t.Error("unknown kinds have no name")
	}
	cause := errors.New("cause")
	if err := failf(NoRole, "get role: %w", cause); !errors.Is(err, cause) || err.Temporary() {
		t.Errorf("%v: want it to wrap its cause, and not to be temporary", err)
	}
}
