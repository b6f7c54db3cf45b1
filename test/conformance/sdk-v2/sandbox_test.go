// Package sdkv2 tries the sandbox with Alibaba's newer Go SDK. It needs a
// running sandbox, which the script "run" starts: SANDBOX names its ready file,
// SANDBOX_KEY is the long-lived key it accepts, ID:SECRET.
package sdkv2

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
)

// A sandbox is what its ready file says.
type sandbox struct{ OSS, Metadata, Bucket, Region string }

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
	return s
}

// A key is a credential.
type key struct{ AccessKeyId, AccessKeySecret, SecurityToken string }

func (k key) provider() credentials.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.AccessKeyId, k.AccessKeySecret, k.SecurityToken)
}

func staticKey(t *testing.T) key {
	t.Helper()
	id, secret, ok := strings.Cut(os.Getenv("SANDBOX_KEY"), ":")
	if !ok {
		t.Fatal("SANDBOX_KEY is not ID:SECRET")
	}
	return key{id, secret, ""}
}

// stsKey asks the metadata service for the role's credential.
func (s sandbox) stsKey(t *testing.T) key {
	t.Helper()
	ask := func(method, path, header, value string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, s.Metadata+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %v", method, path, resp.StatusCode, err)
		}
		return string(b)
	}
	const roles, header = "/latest/meta-data/ram/security-credentials/", "X-aliyun-ecs-metadata-token"
	token := ask("PUT", "/latest/api/token", header+"-ttl-seconds", "60")
	var k key
	body := ask("GET", roles+strings.TrimSpace(ask("GET", roles, header, token)), header, token)
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// A bench is one client at work under one prefix.
type bench struct {
	*testing.T
	s      sandbox
	c      *oss.Client
	ctx    context.Context
	prefix string
}

// each runs a test with every way of signing and each kind of key.
func each(t *testing.T, f func(b bench)) {
	s := ready(t)
	for name, version := range map[string]oss.SignatureVersionType{"V1": oss.SignatureVersionV1, "V4": oss.SignatureVersionV4} {
		for kind, k := range map[string]key{"static": staticKey(t), "sts": s.stsKey(t)} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				b := bench{t, s, s.client(version, k.provider()), t.Context(), t.Name() + "/"}
				f(b)
				b.empty()
			})
		}
	}
}

func (s sandbox) client(version oss.SignatureVersionType, p credentials.CredentialsProvider) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().
		WithCredentialsProvider(p).
		WithRegion(s.Region).
		WithEndpoint(s.OSS).
		WithUsePathStyle(true).
		WithRetryMaxAttempts(1).
		WithReadWriteTimeout(time.Minute).
		WithSignatureVersion(version))
}

func (b bench) bucket() *string         { return oss.Ptr(b.s.Bucket) }
func (b bench) key(name string) *string { return oss.Ptr(b.prefix + name) }
func (b bench) body(p []byte) io.Reader { return strings.NewReader(string(p)) }

// no wants that there is no error.
func (b bench) no(err error, what string) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

func (b bench) eq(what string, got, want any) {
	b.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.Errorf("%s: %.200v, want %.200v", what, got, want)
	}
}

// refused wants an error of the service.
func (b bench) refused(err error, status int, code string) {
	b.Helper()
	var se *oss.ServiceError
	if !errors.As(err, &se) {
		b.Errorf("error %v, want the service's %d %s", err, status, code)
	} else if se.StatusCode != status || se.Code != code || se.RequestID == "" {
		b.Errorf("error %d %s (request %q), want %d %s", se.StatusCode, se.Code, se.RequestID, status, code)
	}
}

// put stores an object.
func (b bench) put(name string, p []byte) *oss.PutObjectResult {
	b.Helper()
	r, err := b.c.PutObject(b.ctx, &oss.PutObjectRequest{Bucket: b.bucket(), Key: b.key(name), Body: b.body(p)})
	b.no(err, "put "+name)
	return r
}

// get reads an object and wants it to be p, byte by byte.
func (b bench) get(name string, p []byte) *oss.GetObjectResult {
	b.Helper()
	r, err := b.c.GetObject(b.ctx, &oss.GetObjectRequest{Bucket: b.bucket(), Key: b.key(name)})
	b.no(err, "get "+name)
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	b.no(err, "read "+name)
	if string(got) != string(p) {
		b.Errorf("get %s: %d bytes, which are not the %d that were put", name, len(got), len(p))
	}
	b.eq("CRC-64 of "+name, oss.ToString(r.HashCRC64), crc(p))
	b.eq("length of "+name, r.ContentLength, len(p))
	return r
}

// empty deletes all that the bench has left.
func (b bench) empty() {
	b.Helper()
	p := b.c.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: b.bucket(), Prefix: oss.Ptr(b.prefix)})
	for p.HasNext() {
		page, err := p.NextPage(b.ctx)
		b.no(err, "list")
		for _, o := range page.Contents {
			_, err := b.c.DeleteObject(b.ctx, &oss.DeleteObjectRequest{Bucket: b.bucket(), Key: o.Key})
			b.no(err, "delete "+*o.Key)
		}
	}
}

// noise returns n bytes that look random and are the same in each run.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	p := make([]byte, n)
	r.Read(p)
	return p
}

func crc(p []byte) string {
	return strconv.FormatUint(crc64.Checksum(p, crc64.MakeTable(crc64.ECMA)), 10)
}

// etag is the ETag of a single piece.
func etag(p []byte) string { return fmt.Sprintf(`"%X"`, md5.Sum(p)) }

// multipartETag is the ETag of an object that was put in parts.
func multipartETag(parts ...[]byte) string {
	var all string
	for _, p := range parts {
		all += strings.Trim(etag(p), `"`)
	}
	return fmt.Sprintf(`"%X-%d"`, md5.Sum([]byte(all)), len(parts))
}
