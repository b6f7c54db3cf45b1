package bucket

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// answering returns a bucket at a server of the test's own.
func answering(t *testing.T, h http.HandlerFunc) (*Bucket, *role) {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	r := newRole(authority.New(authority.Options{}))
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, r
}

func requestError(t *testing.T, err error) *upload.RequestError {
	t.Helper()
	e, ok := errors.AsType[*upload.RequestError](err)
	if !ok {
		t.Fatalf("%v is no RequestError", err)
	}
	return e
}

func TestClasses(t *testing.T) {
	tests := []struct {
		status int
		code   string
		want   upload.Class
	}{
		{403, "SecurityTokenExpired", upload.Credential},
		{403, "InvalidAccessKeyId", upload.Credential},
		{403, "InvalidSecurityToken", upload.Credential},
		{403, "AccessKeyIdAndSecurityTokenNotMatch", upload.Credential},
		{403, "RequestTimeTooSkewed", upload.Transient},
		{403, "AccessDenied", upload.ThisJob},
		{403, "UserDisable", upload.ThisJob},
		{403, "", upload.ThisJob},
		{403, "InvalidObjectState", upload.ThisFile},
		{404, "NoSuchBucket", upload.ThisJob},
		{404, "NoSuchKey", upload.Missing},
		{404, "NoSuchUpload", upload.Missing},
		{404, "", upload.ThisJob},
		{400, "InvalidObjectName", upload.ThisFile},
		{400, "InvalidArgument", upload.ThisFile},
		{400, "EntityTooLarge", upload.ThisFile},
		{400, "RequestTimeout", upload.Transient},
		{400, "InvalidDigest", upload.Transient},
		{400, "InvalidPart", upload.Conflict},
		{400, "InvalidBucketName", upload.ThisJob},
		{409, "FileAlreadyExists", upload.Conflict},
		{412, "PreconditionFailed", upload.Conflict},
		{405, "MethodNotAllowed", upload.ThisJob},
		{408, "", upload.Transient},
		{429, "", upload.Transient},
		{500, "InternalError", upload.Transient},
		{502, "", upload.Transient},
		{503, "TotalQpsLimitExceeded", upload.Transient},
		{503, "", upload.Transient},
	}
	for _, tt := range tests {
		b, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-oss-request-id", "RID")
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			w.WriteHeader(tt.status)
			if tt.code != "" {
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>because</Message><EC>0001-1</EC></Error>", tt.code)
			}
		})
		_, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{})
		e := requestError(t, err)
		if e.Class != tt.want || e.Status != tt.status || e.Code != tt.code || e.RequestID != "RID" || e.Op != "put" || e.Key != "k" {
			t.Errorf("%d %s: %+v, want %v", tt.status, tt.code, e, tt.want)
		}
		if tt.code != "" && (e.EC != "0001-1" || e.Err.Error() != "because") {
			t.Errorf("%d %s: EC %q, cause %v", tt.status, tt.code, e.EC, e.Err)
		}
	}
}

// HEAD has no body: the code is in a header, or nowhere.
func TestHeadErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		xml    string
		code   string
		want   upload.Class
	}{
		{404, "<Error><Code>NoSuchBucket</Code></Error>", "NoSuchBucket", upload.ThisJob},
		{404, "<Error><Code>NoSuchKey</Code></Error>", "NoSuchKey", upload.Missing},
		{404, "", "", upload.Missing},
		{403, "", "", upload.ThisJob},
		{503, "", "", upload.Transient},
	} {
		b, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if tt.xml != "" {
				w.Header().Set("x-oss-err", base64.StdEncoding.EncodeToString([]byte(tt.xml)))
			}
			w.WriteHeader(tt.status)
		})
		_, err := b.Head(t.Context(), "k")
		if e := requestError(t, err); e.Class != tt.want || e.Code != tt.code {
			t.Errorf("%d %s: %+v, want %v", tt.status, tt.xml, e, tt.want)
		}
	}
}

// An answer that OSS would not give is a failure, whatever its status.
func TestNotOSS(t *testing.T) {
	crc := func(w http.ResponseWriter) {
		w.Header().Set("x-oss-request-id", "R")
		w.Header().Set("x-oss-hash-crc64ecma", "0")
	}
	answers := map[string]http.HandlerFunc{
		"empty success":     func(http.ResponseWriter, *http.Request) {},
		"page":              func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in first</html>") },
		"no CRC":            func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-oss-request-id", "R") },
		"no request id":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-oss-hash-crc64ecma", "0") },
		"CRC is no number":  func(w http.ResponseWriter, _ *http.Request) { crc(w); w.Header().Set("x-oss-hash-crc64ecma", "x") },
		"callback failed":   func(w http.ResponseWriter, _ *http.Request) { crc(w); w.WriteHeader(203) },
		"no content":        func(w http.ResponseWriter, _ *http.Request) { crc(w); w.WriteHeader(204) },
		"gateway page":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); fmt.Fprint(w, "<html>502") },
		"endless error":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); w.Write(make([]byte, 1<<20)) },
		"cut before answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"not modified":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) },
		"permanent":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(308) },
	}
	for name, h := range answers {
		b, _ := answering(t, h)
		ctx := t.Context()
		if name == "not modified" {
			_, err := b.Put(ctx, "k", []byte("x"), upload.Header{})
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			continue
		}
		calls := map[string]func() error{
			"put":  func() error { _, err := b.Put(ctx, "k", []byte("x"), upload.Header{}); return err },
			"part": func() error { _, err := b.Part(ctx, "k", "U", 1, []byte("x")); return err },
			"complete": func() error {
				_, err := b.Complete(ctx, "k", "U", []upload.Part{{Number: 1, ETag: "E"}})
				return err
			},
		}
		if name != "no CRC" && name != "no request id" && name != "CRC is no number" {
			calls["create"] = func() error { _, err := b.Create(ctx, "k", upload.Header{}); return err }
			calls["copy"] = func() error { _, err := b.Copy(ctx, "a", "k", "E", upload.Header{}); return err }
			calls["delete"] = func() error { return b.Delete(ctx, []string{"k"}) }
			calls["parts"] = func() error { _, err := b.Parts(ctx, "k", "U"); return err }
			calls["list"] = func() error {
				for _, err := range b.List(ctx, ListOptions{}) {
					return err
				}
				return nil
			}
		}
		for call, do := range calls {
			if e := requestError(t, do()); e.Class != upload.Transient {
				t.Errorf("%s, %s: %v is not Transient", name, call, e)
			}
		}
	}
}

// A redirect is an error, and nothing is sent to where it leads.
func TestRedirect(t *testing.T) {
	var strays atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		strays.Add(1)
		w.Header().Set("x-oss-request-id", "R")
		w.Header().Set("x-oss-hash-crc64ecma", "0")
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		b, _ := answering(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		_, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{})
		if e := requestError(t, err); e.Status != status || !strings.Contains(e.Error(), strings.TrimPrefix(other.URL, "http://")) {
			t.Errorf("%d on a put: %v", status, err)
		}
		if _, _, err := b.Get(t.Context(), "k"); err == nil {
			t.Errorf("%d on a get: no error", status)
		}
	}
	if n := strays.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// Nothing that a server echoes brings a secret into an error.
func TestScrub(t *testing.T) {
	var token, secret string
	b, r := answering(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("x-oss-request-id", secret)
		w.Header().Set("x-oss-ec", token)
		w.Header().Set("Location", "http://"+secret+"/")
		switch req.URL.Query().Get("partNumber") {
		case "1":
			w.WriteHeader(403)
			fmt.Fprintf(w, "<Error><Code>AccessDenied%s</Code><Message>token %s\n\u202e of %s</Message><SecurityToken>%s</SecurityToken><StringToSign>%s</StringToSign></Error>",
				token, token, secret, token, token)
		case "2":
			w.WriteHeader(302)
		case "3":
			w.WriteHeader(500)
			fmt.Fprint(w, token, secret)
		}
	})
	token, secret = r.snap.SecurityToken.Reveal(), r.snap.AccessKeySecret.Reveal()
	for n := range 5 {
		_, err := b.Part(t.Context(), "k", "U", n, []byte("x"))
		if err == nil {
			t.Fatalf("answer %d: no error", n)
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			for e := err; e != nil; e = errors.Unwrap(e) {
				text := fmt.Sprintf(format, e)
				if n > 0 && (strings.Contains(text, token) || strings.Contains(text, secret)) {
					t.Errorf("answer %d: a secret in %s", n, text)
				}
				if strings.ContainsAny(text, "\u202e\n") {
					t.Errorf("answer %d: control characters in %q", n, text)
				}
			}
		}
	}
	if text := fmt.Sprintf("%+v %#v", b, b); strings.Contains(text, secret) {
		t.Error("a secret in the bucket itself")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"Retry-After", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"Retry-After", "86400", longestRetryAfter},
		{"Retry-After", "-1", 0},
		{"Retry-After", "soon", 0},
		{"x-oss-qos-delay-time", "250", 250 * time.Millisecond},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%s: %s: %v, want %v", tt.name, tt.value, got, tt.want)
		}
	}
	b, s, _ := open(t, nil)
	s.Faults().Add(oss.Throttled(1500 * time.Millisecond))
	_, err := b.Put(t.Context(), "k", nil, upload.Header{})
	if e := requestError(t, err); e.RetryAfter != 1500*time.Millisecond || e.Class != upload.Transient || e.Code != "TotalQpsLimitExceeded" {
		t.Errorf("throttled: %+v", e)
	}
}

// A lost reply, and a broken connection, are Transient, and say nothing of OSS.
func TestBroken(t *testing.T) {
	for name, f := range map[string]oss.Fault{
		"reset before": {Reset: oss.ResetBefore}, "reset in the request": {Reset: oss.ResetRequest},
		"reset after": {Reset: oss.ResetAfter}, "lost reply": {LoseReply: true}, "CRC missing": {CRC: oss.CRCMissing},
		"bad gateway": oss.BadGateway(),
	} {
		b, s, _ := open(t, nil)
		s.Faults().Add(f)
		_, err := b.Put(t.Context(), "k", make([]byte, 1<<20), upload.Header{})
		if e := requestError(t, err); e.Class != upload.Transient || e.Code != "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	b, s, _ := open(t, nil)
	s.Faults().Add(oss.Fault{CRC: oss.CRCWrong})
	st, err := b.Put(t.Context(), "k", []byte("123456789"), upload.Header{})
	if err != nil || st.CRC64 == 0x995dc9bbdf1939fa {
		t.Errorf("wrong CRC: %+v, %v; whether it is right is the caller's to see", st, err)
	}
}

func TestCancelled(t *testing.T) {
	b, s, _ := open(t, nil)
	s.Faults().Add(oss.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.Put(ctx, "k", []byte("x"), upload.Header{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put = %v", err)
	}
	if _, ok := errors.AsType[*upload.RequestError](err); ok {
		t.Errorf("%v is a RequestError, though OSS is not to blame", err)
	}
	s.Faults().Clear()
}

// A download whose bytes are not what the service vouched for fails at its end.
func TestGetDamaged(t *testing.T) {
	b, s, _ := open(t, nil)
	if _, err := b.Put(t.Context(), "k", make([]byte, 100<<10), upload.Header{}); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]oss.Fault{
		"wrong CRC": {CRC: oss.CRCWrong}, "missing CRC": {CRC: oss.CRCMissing}, "cut": {Reset: oss.ResetResponse},
	} {
		id := s.Faults().Add(f)
		body, _, err := b.Get(t.Context(), "k")
		if err == nil {
			_, err = drain(body)
			body.Close()
		}
		if e := requestError(t, err); e.Class != upload.Transient {
			t.Errorf("%s: %+v", name, e)
		}
		s.Faults().Remove(id)
	}
}
