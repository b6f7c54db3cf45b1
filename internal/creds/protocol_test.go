package creds

import (
	"io"
	"net/http"
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
