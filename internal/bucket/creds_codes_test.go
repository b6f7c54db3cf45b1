package bucket

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// Each of the codes by which OSS refuses a credential leads to one refresh and
// one more try, with the new credential and the whole body from its beginning.
func TestTokenCodes(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	for _, code := range []string{
		"SecurityTokenExpired", "InvalidAccessKeyId", "InvalidSecurityToken",
		"AccessKeyIdAndSecurityTokenNotMatch", "SignatureDoesNotMatch",
	} {
		var bodies [][]byte
		var keys []string
		b, r := answering(t, func(w http.ResponseWriter, req *http.Request) {
			got, err := io.ReadAll(req.Body)
			if err != nil {
				t.Error(err)
			}
			bodies, keys = append(bodies, got), append(keys, req.Header.Get("x-oss-security-token"))
			w.Header().Set("x-oss-request-id", "R")
			if len(bodies) == 1 {
				w.WriteHeader(http.StatusForbidden)
				io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
				return
			}
			w.Header().Set("x-oss-hash-crc64ecma", "1")
		})
		old := r.snap
		if _, err := b.Put(t.Context(), "k", body, upload.Header{}); err != nil || r.refreshes != 1 {
			t.Errorf("%s: %v, %d refreshes", code, err, r.refreshes)
			continue
		}
		if len(bodies) != 2 || !bytes.Equal(bodies[0], body) || !bytes.Equal(bodies[1], body) {
			t.Errorf("%s: %d requests, or not the whole body in each", code, len(bodies))
		}
		if keys[0] != old.SecurityToken.Reveal() || keys[1] != r.snap.SecurityToken.Reveal() || keys[0] == keys[1] {
			t.Errorf("%s: the second try did not bring the new token", code)
		}
	}
}

// What is denied is no reason to ask for another credential.
func TestDeniedKeepsCredential(t *testing.T) {
	for _, code := range []string{"AccessDenied", "UserDisable", "InvalidObjectState", "NoSuchBucket"} {
		b, s, r := open(t, nil)
		s.Faults().Add(oss.Fault{Status: http.StatusForbidden, Code: code})
		_, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{})
		if err == nil || errors.Is(err, upload.Credential) || r.refreshes != 0 || b.Requests() != 1 {
			t.Errorf("%s: %v, %d refreshes, %d requests", code, err, r.refreshes, b.Requests())
		}
	}
}
