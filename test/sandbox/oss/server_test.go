package oss_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/oss"
)

const (
	keyID  = "LTAI5tSandbox"
	secret = "a secret of a user"
	name   = "test-bucket"
	region = "cn-hangzhou"
)

// sandbox is a server with one bucket and one user.
type sandbox struct {
	*oss.Server
	url  string
	auth *authority.Authority
	dir  string
}

func start(t testing.TB, opts ...func(*oss.Options)) *sandbox {
	t.Helper()
	a := authority.New(authority.Options{})
	a.AddStatic(keyID, secret)
	dir := t.TempDir()
	opt := oss.Options{Authority: a, Region: region}
	for _, f := range opts {
		f(&opt)
	}
	s, err := oss.New(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Faults().Clear()
		srv.CloseClientConnections()
		srv.Close()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := s.CreateBucket(name); err != nil {
		t.Fatal(err)
	}
	return &sandbox{s, srv.URL, opt.Authority, dir}
}

// client returns the bucket as the official SDK sees it.
func (s *sandbox) client(t testing.TB, opts ...sdk.ClientOption) *sdk.Bucket {
	t.Helper()
	c, err := sdk.New(s.url, keyID, secret, opts...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bucket(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// code returns status and code of an SDK's error.
func code(err error) string {
	if e, ok := errors.AsType[sdk.ServiceError](err); ok {
		return fmt.Sprintf("%d %s", e.StatusCode, e.Code)
	}
	return fmt.Sprint(err)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func get(t testing.TB, b *sdk.Bucket, key string, opts ...sdk.Option) []byte {
	t.Helper()
	r, err := b.GetObject(key, opts...)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return got
}

// versions are the ways to sign, each with additional headers and without.
var versions = map[string][]sdk.ClientOption{
	"v1":            {sdk.AuthVersion(sdk.AuthV1)},
	"v2":            {sdk.AuthVersion(sdk.AuthV2)},
	"v2 additional": {sdk.AuthVersion(sdk.AuthV2), sdk.AdditionalHeaders([]string{"Host", "user-agent"})},
	"v4":            {sdk.AuthVersion(sdk.AuthV4), sdk.Region(region)},
	"v4 additional": {sdk.AuthVersion(sdk.AuthV4), sdk.Region(region), sdk.AdditionalHeaders([]string{"Host", "user-agent"})},
}

// keys are names that a careless server mixes up.
var keys = []string{
	"a", "a/b", "a//b", "a/./b", "a/../b", "a/", "trailing ", "x+y z", "100%", "%2F", "q?x=y&z", "#", "中文/键",
	"\x01\x0b\x1f", "a\x00b", "~-_.!*'()", `back\slash`, strings.Repeat("k", 1023), "..", ".", "a\n",
}

func TestRoundTrip(t *testing.T) {
	s := start(t)
	for version, opts := range versions {
		t.Run(version, func(t *testing.T) {
			b := s.client(t, opts...)
			for _, key := range keys {
				want := random(1 + len(key))
				err := b.PutObject(key, bytes.NewReader(want), sdk.Meta("x", "y  z"), sdk.ContentType("text/x"))
				if err != nil {
					t.Errorf("put %q: %v", key, err)
					continue
				}
				if got := get(t, b, key); !bytes.Equal(got, want) {
					t.Errorf("get %q = %d bytes, want other %d", key, len(got), len(want))
				}
				url, err := b.SignURL(key, sdk.HTTPGet, 60)
				if err != nil {
					t.Fatal(err)
				}
				r, err := b.GetObjectWithURL(url)
				if err != nil {
					t.Errorf("get %q by URL: %v", key, err)
					continue
				}
				if got, _ := io.ReadAll(r); !bytes.Equal(got, want) {
					t.Errorf("get %q by URL = %d bytes, want other %d", key, len(got), len(want))
				}
				r.Close()
			}
			if got := list(t, b); !slices.Equal(got, sorted(keys)) {
				t.Errorf("list = %q, want %q", got, sorted(keys))
			}
			if _, err := b.DeleteObjects(keys); err != nil {
				t.Error(err)
			}
			if got := list(t, b); len(got) != 0 {
				t.Errorf("after the removal of all there are %q", got)
			}
		})
	}
}

func sorted(keys []string) []string { return slices.Sorted(slices.Values(keys)) }

// list lists in pages of three, by both lists, which must agree.
func list(t testing.TB, b *sdk.Bucket, opts ...sdk.Option) []string {
	t.Helper()
	var v1, v2 []string
	for marker := ""; ; {
		page, err := b.ListObjects(append(opts, sdk.Marker(marker), sdk.MaxKeys(3))...)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			v1 = append(v1, o.Key)
		}
		v1 = append(v1, page.CommonPrefixes...)
		if marker = page.NextMarker; !page.IsTruncated {
			break
		}
	}
	for token := ""; ; {
		page, err := b.ListObjectsV2(append(opts, sdk.ContinuationToken(token), sdk.MaxKeys(3))...)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			v2 = append(v2, o.Key)
		}
		v2 = append(v2, page.CommonPrefixes...)
		if token = page.NextContinuationToken; !page.IsTruncated {
			break
		}
	}
	slices.Sort(v1)
	slices.Sort(v2)
	if !slices.Equal(v1, v2) {
		t.Errorf("ListObjects = %q, ListObjectsV2 = %q", v1, v2)
	}
	return v1
}

func TestVirtualHostAndCNAME(t *testing.T) {
	s := start(t, func(o *oss.Options) { o.CNAMEs = map[string]string{"files.example.org": name} })
	if err := s.client(t).PutObject("dir/key", strings.NewReader("x"), sdk.ObjectACL(sdk.ACLPublicRead)); err != nil {
		t.Fatal(err)
	}
	for host, path := range map[string]string{
		name + ".localhost":             "/dir/key",
		name + ".127-0-0-1.example.net": "/dir%2Fkey",
		"files.example.org":             "/dir/key",
		"anything":                      "/" + name + "/dir/key",
		"[::1]:80":                      "/" + name + "/dir%2Fkey",
	} {
		req, err := http.NewRequest("GET", s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s at %s: %s", path, host, res.Status)
		}
	}
}

func TestSTS(t *testing.T) {
	s := start(t)
	for version, opts := range versions {
		t.Run(version, func(t *testing.T) {
			first, second := s.auth.Issue("role"), s.auth.Issue("role")
			try := func(g authority.Grant) string {
				b := s.client(t, append(opts, sdk.SetCredentialsProvider(provider(g)))...)
				err := b.PutObject("k", strings.NewReader("x"))
				if err == nil { // presigned too, which has the token elsewhere
					url, e := b.SignURL("k", sdk.HTTPGet, 60)
					if e != nil {
						t.Fatal(e)
					}
					_, err = b.GetObjectWithURL(url)
				}
				if err == nil {
					return ""
				}
				return code(err)
			}
			if version == "v2" || version == "v2 additional" {
				// The SDK signs URLs of version 2 with the id of its
				// configuration, not the provider's.
				opts = append(opts, func(c *sdk.Client) { c.Config.AccessKeyID = first.AccessKeyID })
			}
			if got := try(first); got != "" {
				t.Errorf("first generation: %s", got)
			}
			if got := s.Requests().Entries(); got[len(got)-1].Generation != first.Generation {
				t.Errorf("logged as generation %d, want %d", got[len(got)-1].Generation, first.Generation)
			}
			mixed := first
			mixed.SecurityToken = second.SecurityToken
			if got, want := try(mixed), "403 InvalidSecurityToken"; got != want {
				t.Errorf("token of another generation: %s, want %s", got, want)
			}
			mixed.SecurityToken = ""
			if got, want := try(mixed), "403 InvalidAccessKeyId"; got != want {
				t.Errorf("no token: %s, want %s", got, want)
			}
			s.auth.Expire(first.AccessKeyID)
			if got, want := try(first), "403 SecurityTokenExpired"; got != want {
				t.Errorf("expired: %s, want %s", got, want)
			}
			s.auth.Revoke(first.AccessKeyID)
			if got, want := try(first), "403 InvalidAccessKeyId"; got != want {
				t.Errorf("revoked: %s, want %s", got, want)
			}
		})
	}
}

// provider hands one grant to the SDK.
type provider authority.Grant

func (p provider) GetCredentials() sdk.Credentials { return p }
func (p provider) GetAccessKeyID() string          { return p.AccessKeyID }
func (p provider) GetAccessKeySecret() string      { return p.AccessKeySecret }
func (p provider) GetSecurityToken() string        { return p.SecurityToken }
