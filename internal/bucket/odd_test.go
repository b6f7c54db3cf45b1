package bucket

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/authority"
)

// at returns a bucket whose every request is answered by h.
func at(t *testing.T, h http.HandlerFunc, cred Credentials) *Bucket {
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	if cred == nil {
		cred = newRole(authority.New(authority.Options{}))
	}
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: cred})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// A number that is too large is bounded, not ignored.
func TestRetryAfterHuge(t *testing.T) {
	for _, text := range []string{"99999999999", "4294967296"} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, time.Now()); got != longestRetryAfter {
			t.Errorf("Retry-After %s: %v, want %v", text, got, longestRetryAfter)
		}
	}
}

// A date is the server's, whose clock may be another.
func TestRetryAfterSkew(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		server := time.Now().Add(skew)
		h := http.Header{}
		h.Set("Date", server.UTC().Format(http.TimeFormat))
		h.Set("Retry-After", server.Add(10*time.Second).UTC().Format(http.TimeFormat))
		b := at(t, func(w http.ResponseWriter, r *http.Request) {
			for k, v := range h {
				w.Header()[k] = v
			}
			w.WriteHeader(503)
		}, nil)
		_, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{})
		e, _ := errors.AsType[*upload.RequestError](err)
		if e.RetryAfter < 8*time.Second || e.RetryAfter > 12*time.Second {
			t.Errorf("server's clock %v ahead: RetryAfter %v, want 10s", skew, e.RetryAfter)
		}
	}
}

// A stuck role hands out no other credential.
type stuck struct {
	*role
	asked func()
}

func (s *stuck) Refresh(ctx context.Context, _ uint64) (*creds.Snapshot, error) {
	s.asked()
	<-ctx.Done()
	return nil, ctx.Err()
}

// The end of the context while another credential is fetched is the context's.
func TestRefreshCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := at(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
		io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
	}, &stuck{newRole(authority.New(authority.Options{})), cancel})
	_, err := b.Put(ctx, "k", []byte("x"), upload.Header{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A large file can have any name that is a key.
func TestLargeOddKeys(t *testing.T) {
	b, _, _ := open(t, nil)
	for _, key := range []string{"a b+%/é~*'()!", "\x01\x7f/x y", "日本 語", "a&b=c?#;", `"<>\|^[]{}` + "`", "%2F%41", "tab\tnl\n"} {
		id, err := b.Create(t.Context(), key, upload.Header{})
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		p, err := b.Part(t.Context(), key, id, 1, []byte("abc"))
		if err == nil {
			_, err = b.Complete(t.Context(), key, id, []upload.Part{p})
		}
		if err == nil {
			_, err = b.Head(t.Context(), key)
		}
		if err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// A part that was copied is of use only with its ETag.
func TestCopyPartWithoutETag(t *testing.T) {
	b := at(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-oss-request-id", "R1")
		if strings.Contains(r.URL.RawQuery, "partNumber") {
			io.WriteString(w, "<CopyPartResult></CopyPartResult>")
		}
	}, nil)
	if p, err := b.CopyPart(t.Context(), "k", "U", 1, "l", 0, 5, "E"); err == nil {
		t.Errorf("CopyPart = %+v", p)
	}
}
