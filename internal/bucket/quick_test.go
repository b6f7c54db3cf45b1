package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/authority"
)

// A seen is a request as the server got it.
type seen struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

// The quick way sends what the SDK sends, to the last byte of the signature.
func TestQuickIsWhatTheSDKSends(t *testing.T) {
	var got seen
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.RequestURI, r.Host, string(body), maps.Clone(r.Header)}
	}))
	defer web.Close()
	all := []upload.Header{
		{},
		{ContentType: "text/plain; charset=utf-8", CacheControl: "no-cache", StorageClass: "IA", ACL: "private", Encryption: "KMS:key-1",
			Metadata: map[string]string{"osssync-mtime": "17", "B": " x y ", "a": "é"}, Tags: map[string]string{"k y": "v/+", "a": ""}},
	}
	keys := []string{"k", "a b/ü+%~", "dir/../x//y", "日本/語", "a*(')!$,;:@=&?#[]", "\x01\x7f", strings.Repeat("é", 500)}
	for _, endpoint := range []string{web.URL, strings.Replace(web.URL, "127.0.0.1", "oss.localhost", 1)} {
		r := newRole(authority.New(authority.Options{}))
		b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: endpoint, Credentials: r})
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.sessionOf(r.snap)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			for _, h := range all {
				for _, body := range []string{"", "some bytes"} {
					c := &call{op: "put", method: http.MethodPut, key: key, header: headers(h), body: []byte(body)}
					if !c.isQuick() {
						t.Fatal("not quick")
					}
					if _, err := b.quick(t.Context(), c, s, time.Hour); err != nil {
						t.Fatal(err)
					}
					quick := got
					c.header.set("Date", quick.Header.Get("Date"))
					if _, err := b.bySDK(t.Context(), c, s.conn, 0); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(got, quick); diff != "" {
						t.Errorf("%s: key %q: -SDK +quick:\n%s", endpoint, key, diff)
					}
				}
			}
		}
	}
}

// A request is quick only if it is the put of a small object.
func TestIsQuick(t *testing.T) {
	for _, tt := range []struct {
		c    call
		want bool
	}{
		{call{method: http.MethodPut, key: "k", body: []byte{}}, true},
		{call{method: http.MethodPut, key: "k", body: make([]byte, quickBody+1)}, false},
		{call{method: http.MethodPut, key: "k", params: partParams(1, "U"), body: []byte{}}, false},
		{call{method: http.MethodPut, key: "k"}, false}, // a copy
		{call{method: http.MethodPost, key: "k", body: []byte{}}, false},
	} {
		if got := tt.c.isQuick(); got != tt.want {
			t.Errorf("%s with %d bytes, %v: quick %t", tt.c.method, len(tt.c.body), tt.c.params, got)
		}
	}
}

// A key is derived once a day, and a signature of another day has another.
func TestSignerDay(t *testing.T) {
	s := newSigner(newRole(authority.New(authority.Options{})).snap, "cn-hangzhou")
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	first := s.key(noon.Format(signDay))
	if s.key(noon.Add(time.Hour).Format(signDay)) != first {
		t.Error("the key was derived twice in one day")
	}
	sign := func(at time.Time) string {
		return s.sign("PUT", "/b/k", []field{{"x-oss-b", "2"}, {"x-oss-a", "1"}}, new(stamps).of(at))
	}
	a, b := sign(noon), sign(noon.AddDate(0, 0, 1))
	if a == b || !strings.Contains(a, "/20260102/") || !strings.Contains(b, "/20260103/") {
		t.Errorf("signatures of two days: %s, %s", a, b)
	}
	if sign(noon) != a {
		t.Error("the signature of one request differs from itself")
	}
}

// A draft that is used again has the headers that were added since, and no others.
func TestDraftForgets(t *testing.T) {
	l := new(line)
	d := l.draft()
	for _, want := range []http.Header{
		{"A": {"1"}, "B": {"2"}, "C": {"3"}},
		{"A": {"4"}, "B": {"5"}, "C": {"6"}},
		{"A": {"7"}, "B": {"8"}},
		{"A": {"9"}},
		{"B": {"1"}, "C": {"2"}},
		{},
	} {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			d.add(name, want.Get(name))
		}
		d.fold()
		want[repeatable] = nil
		if diff := cmp.Diff(want, d.header); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		l.drafts.Put(d)
		d = l.draft()
	}
}

// The transport may go on reading a body after the answer has come: the
// caller's memory is its own by then.
func TestQuickCopiesTheBody(t *testing.T) {
	l := &line{base: &http.Transport{}, times: defaultTimes()}
	early := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer early.Close()
	data := bytes.Repeat([]byte("x"), quickBody)
	u, err := url.Parse(early.URL)
	if err != nil {
		t.Fatal(err)
	}
	d := l.draft()
	d.url, d.length = *u, copy(d.body[:], data)
	d.fold()
	if _, err := l.send(t.Context(), http.MethodPut, d); err != nil {
		t.Fatal(err)
	}
	for i := range data { // the race detector looks on
		data[i] = 'y'
	}
}

// A small body is paced like any other, and what hangs is given up.
func TestQuickLimits(t *testing.T) {
	hang := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-hang }))
	defer web.Close()
	defer close(hang)
	sent := 0
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: newRole(authority.New(authority.Options{})),
		Limiter: rate.NewLimiter(0, 0), Sent: func(n int) { sent += n }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := b.Put(ctx, "k", []byte("body"), upload.Header{}); !errors.Is(err, context.DeadlineExceeded) || sent != 0 || b.Requests() != 0 {
		t.Errorf("with a limit of nothing: %v, %d bytes, %d requests", err, sent, b.Requests())
	}
	b.opt.Limiter.SetLimit(rate.Inf)
	b.line.times.dial, b.line.times.answer = time.Millisecond, time.Millisecond
	_, err = b.Put(t.Context(), "k", []byte("body"), upload.Header{})
	if !errors.Is(err, errStalled) || !errors.Is(err, upload.Transient) || sent != 4 {
		t.Errorf("no answer: %v, %d bytes", err, sent)
	}
}

// Pending lists page by page, and only below the prefix.
func TestPending(t *testing.T) {
	b, _, _ := open(t, nil)
	const n = 1003
	for i := range n {
		if _, err := b.Create(t.Context(), fmt.Sprintf("p/ü %04d", i/2), upload.Header{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Create(t.Context(), "q", upload.Header{}); err != nil {
		t.Fatal(err)
	}
	list, err := b.Pending(t.Context(), "p/", 10_000)
	if err != nil || len(list) != n {
		t.Fatalf("%d uploads, %v; want %d", len(list), err, n)
	}
	ids := map[string]bool{}
	for i, p := range list {
		if p.Key != fmt.Sprintf("p/ü %04d", i/2) || ids[p.ID] || time.Since(p.Began) > time.Hour {
			t.Errorf("%d: %+v", i, p)
		}
		ids[p.ID] = true
	}
	if list, err = b.Pending(t.Context(), "", 2); err != nil || len(list) != 2 {
		t.Errorf("%d uploads, %v; want 2", len(list), err)
	}
	if err := b.Abort(t.Context(), list[0].Key, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if list, err = b.Pending(t.Context(), "p/ü 0000", 10); err != nil || len(list) != 1 {
		t.Errorf("%d uploads left, %v; want 1", len(list), err)
	}
}

// What was prepared is sent as it is, but not with a credential that has been
// replaced, nor with a date of long ago, and once.
func TestPrepare(t *testing.T) {
	var got http.Header
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("ETag", `"E"`)
		w.Header().Set("x-oss-hash-crc64ecma", "1")
		w.Header().Set("x-oss-request-id", "R")
	}))
	defer web.Close()
	r := newRole(authority.New(authority.Options{}))
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: r})
	if err != nil {
		t.Fatal(err)
	}
	old := r.snap
	put := b.Prepare(t.Context(), "k", []byte("body"), upload.Header{})
	if s, err := put(t.Context()); err != nil || s.Size != 4 || got.Get("x-oss-security-token") != old.SecurityToken.Reveal() {
		t.Errorf("%+v, %v", s, err)
	}
	put = b.Prepare(t.Context(), "k", []byte("body"), upload.Header{})
	if _, err := r.Refresh(t.Context(), old.Generation); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := put(t.Context()); err != nil || got.Get("x-oss-security-token") == old.SecurityToken.Reveal() {
			t.Errorf("%v; with a token that was replaced", err)
		}
	}
	s, err := b.sessionOf(r.snap)
	if err != nil {
		t.Fatal(err)
	}
	for age, again := range map[time.Duration]bool{0: false, draftAge / 2: false, 2 * draftAge: true} {
		c := &call{op: "put", method: http.MethodPut, key: "k", body: []byte("body")}
		c.draft = b.newDraft(c, s, 0)
		c.draft.at = time.Now().Add(-age)
		c.draft.add("x-oss-meta-draft", "1")
		c.draft.fold()
		if _, err := b.quick(t.Context(), c, s, 0); err != nil || (got.Get("x-oss-meta-draft") == "") != again {
			t.Errorf("after %v: %v, header %v", age, err, got)
		}
	}
}

// Without a credential a put fails at once, not only when it was asked for twice.
func TestPrepareWithoutCredential(t *testing.T) {
	none := &noRole{role: newRole(authority.New(authority.Options{}))}
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: "http://127.0.0.1:1", Credentials: none})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Prepare(t.Context(), "k", []byte("body"), upload.Header{})(t.Context())
	if !errors.Is(err, upload.Credential) || !strings.Contains(err.Error(), "put k: no role") || none.asked != 1 {
		t.Errorf("%v, asked %d times", err, none.asked)
	}
}

// A noRole has no credential.
type noRole struct {
	*role
	asked int
}

func (r *noRole) Get(context.Context) (*creds.Snapshot, error) {
	r.asked++
	return nil, errors.New("no role")
}
