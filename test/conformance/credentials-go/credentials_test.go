// Package credentialsgo tries the sandbox's metadata service with Alibaba's own
// credential library. The script "run" starts both where 100.100.100.200 is the
// sandbox; SANDBOX names its ready file.
package credentialsgo

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
)

const metadata = "http://100.100.100.200"

type sandbox struct{ OSS, Metadata, Bucket string }

func ready(t *testing.T) sandbox {
	t.Helper()
	b, err := os.ReadFile(os.Getenv("SANDBOX"))
	if err != nil {
		t.Fatalf("SANDBOX names no ready file; start this by the script run: %v", err)
	}
	var s sandbox
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.Metadata != metadata+":80" {
		t.Fatalf("the metadata service is at %s, where the library does not look", s.Metadata)
	}
	return s
}

// credential asks the library for the role's credential, in hardened mode.
func credential(t *testing.T, role string) (*credentials.CredentialModel, error) {
	t.Helper()
	config := new(credentials.Config).SetType("ecs_ram_role").SetDisableIMDSv1(true).SetRoleName(role)
	c, err := credentials.NewCredential(config)
	if err != nil {
		t.Fatal(err)
	}
	return c.GetCredential()
}

func TestHardened(t *testing.T) {
	s := ready(t)
	resp, err := http.Get(metadata + "/latest/meta-data/ram/security-credentials/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Fatalf("without a token: %d, want 403, for the service is hardened", resp.StatusCode)
	}
	found, err := credential(t, "")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := credential(t, "osssync-sandbox")
	if err != nil {
		t.Fatal(err)
	}
	if *found.AccessKeyId != *pinned.AccessKeyId || *found.SecurityToken != *pinned.SecurityToken {
		t.Errorf("the role found by itself has %s, the one named %s", *found.AccessKeyId, *pinned.AccessKeyId)
	}
	if !strings.HasPrefix(*found.AccessKeyId, "STS.") || *found.ProviderName != "ecs_ram_role" {
		t.Errorf("credential %s from %s", *found.AccessKeyId, *found.ProviderName)
	}

	// The credential works: what is put comes back, byte by byte.
	const content = "put with the role's credential\n"
	status, body := s.do(t, found, http.MethodPut, content)
	if status != http.StatusOK {
		t.Fatalf("put: %d %s", status, body)
	}
	if status, body = s.do(t, found, http.MethodGet, ""); status != http.StatusOK || body != content {
		t.Errorf("get: %d %q, want %q", status, body, content)
	}
	wrong := *found
	secret := *found.AccessKeySecret + "x"
	wrong.AccessKeySecret = &secret
	if status, body = s.do(t, &wrong, http.MethodGet, ""); status != http.StatusForbidden || !strings.Contains(body, "<Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("get with a wrong secret: %d %s", status, body)
	}
}

func TestWrongRole(t *testing.T) {
	ready(t)
	if c, err := credential(t, "no-such-role"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a role that is not attached: %v, %v, want the library's error of a 404", c, err)
	}
}

// do sends one request for an object, signed in the first of OSS's manners, and
// returns the status and the body.
func (s sandbox) do(t *testing.T, c *credentials.CredentialModel, method, body string) (int, string) {
	t.Helper()
	resource := "/" + s.Bucket + "/credentials-go"
	r, err := http.NewRequestWithContext(t.Context(), method, s.OSS+resource, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	r.Header.Set("Date", date)
	r.Header.Set("x-oss-security-token", *c.SecurityToken)
	mac := hmac.New(sha1.New, []byte(*c.AccessKeySecret))
	io.WriteString(mac, method+"\n\n\n"+date+"\nx-oss-security-token:"+*c.SecurityToken+"\n"+resource)
	r.Header.Set("Authorization", "OSS "+*c.AccessKeyId+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
