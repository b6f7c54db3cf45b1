package oss_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestRefusals checks that the official SDK is told what the service tells it.
func TestRefusals(t *testing.T) {
	s := start(t)
	b := s.client(t)
	big, small := random(100<<10), random(100<<10-1)
	if err := b.PutObject("there", bytes.NewReader(big)); err != nil {
		t.Fatal(err)
	}
	upload := func(parts ...[]byte) (sdk.InitiateMultipartUploadResult, []sdk.UploadPart) {
		u, err := b.InitiateMultipartUpload("multi")
		if err != nil {
			t.Fatal(err)
		}
		var list []sdk.UploadPart
		for i, p := range parts {
			part, err := b.UploadPart(u, bytes.NewReader(p), int64(len(p)), i+1)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, part)
		}
		return u, list
	}
	put := func(key string, opts ...sdk.Option) error { return b.PutObject(key, strings.NewReader("x"), opts...) }
	complete := func(u sdk.InitiateMultipartUploadResult, parts []sdk.UploadPart) error {
		_, err := b.CompleteMultipartUpload(u, parts)
		return err
	}
	last := func(_ any, err error) error { return err }

	tests := []struct {
		name, want string
		do         func() error
	}{
		{"key of 1,024 bytes", "400 InvalidObjectName", func() error { return put(strings.Repeat("k", 1024)) }},
		{"key with a slash first", "400 InvalidObjectName", func() error { return put("/k") }},
		{"key with a backslash first", "400 InvalidObjectName", func() error { return put(`\k`) }},
		{"key that is no UTF-8", "400 InvalidObjectName", func() error { return put("k\xff") }},
		{"no such key", "404 NoSuchKey", func() error { return last(b.GetObject("no")) }},
		{"no such key, by HEAD", "404 NoSuchKey", func() error { return last(b.GetObjectDetailedMeta("no")) }},
		{"other content than the MD5", "400 InvalidDigest", func() error { return put("k", sdk.ContentMD5("XUFAKrxLKna5cZ2REBfFkg==")) }},
		{"an MD5 that is none", "400 InvalidDigest", func() error { return put("k", sdk.ContentMD5("x")) }},
		{"forbid overwrite", "409 FileAlreadyExists", func() error { return put("there", sdk.ForbidOverWrite(true)) }},
		{"forbid overwrite by copy", "409 FileAlreadyExists", func() error { return last(b.CopyObject("there", "there", sdk.ForbidOverWrite(true))) }},
		{"put with a condition", "501 NotImplemented", func() error { return put("k", sdk.IfModifiedSince(time.Now())) }},
		{"encryption", "400 InvalidEncryptionAlgorithmError", func() error { return put("k", sdk.ServerSideEncryption("ROT13")) }},
		{"storage class", "400 InvalidArgument", func() error { return put("k", sdk.ObjectStorageClass("Tape")) }},
		{"object ACL", "400 InvalidArgument", func() error { return put("k", sdk.ObjectACL("none")) }},
		{"metadata of 8 KiB and a byte", "400 InvalidArgument", func() error { return put("k", sdk.Meta("a", strings.Repeat("v", 8<<10))) }},
		{"callback", "203 CallbackFailed", func() error {
			return put("k", sdk.Callback(base64.StdEncoding.EncodeToString([]byte(`{"callbackUrl":"http://x","callbackBody":"b"}`))))
		}},
		{"callback that is none", "400 InvalidArgument", func() error { return put("k", sdk.Callback("e30=")) }},
		{"traffic limit", "400 InvalidArgument", func() error { return put("k", sdk.TrafficLimitHeader(1)) }},
		{"eleven tags", "400 InvalidTag", func() error {
			return put("k", sdk.SetTagging(sdk.Tagging{Tags: make([]sdk.Tag, 11)}))
		}},
		{"range beyond the end", "416 InvalidRange", func() error {
			return last(b.GetObject("there", sdk.NormalizedRange("102400-"), sdk.RangeBehavior("standard")))
		}},
		{"If-Match", "412 PreconditionFailed", func() error { return last(b.GetObject("there", sdk.IfMatch("other"))) }},
		{"If-Unmodified-Since", "412 PreconditionFailed", func() error {
			return last(b.GetObject("there", sdk.IfUnmodifiedSince(time.Now().Add(-time.Hour))))
		}},
		{"copy of what is not there", "404 NoSuchKey", func() error { return last(b.CopyObject("no", "k")) }},
		{"copy with another ETag", "412 PreconditionFailed", func() error { return last(b.CopyObject("there", "k", sdk.CopySourceIfMatch("other"))) }},
		{"copy from no bucket", "404 NoSuchBucket", func() error { return last(b.CopyObjectFrom("no-bucket", "k", "k")) }},
		{"append to a normal object", "409 ObjectNotAppendable", func() error { return last(b.AppendObject("there", strings.NewReader("x"), 102400)) }},
		{"append past the end", "409 PositionNotEqualToLength", func() error { return last(b.AppendObject("append", strings.NewReader("x"), 1)) }},
		{"symlink to nothing", "404 SymlinkTargetNotExist", func() error {
			if err := b.PutSymlink("link", "nothing"); err != nil {
				return err
			}
			return last(b.GetObject("link"))
		}},
		{"symlink that is none", "400 NotSymlink", func() error { return last(b.GetSymlink("there")) }},
		{"restore of what is not archived", "400 OperationNotSupported", func() error { return b.RestoreObject("there") }},
		{"archived and not restored", "403 InvalidObjectState", func() error {
			if err := put("cold", sdk.ObjectStorageClass(sdk.StorageArchive)); err != nil {
				return err
			}
			return last(b.GetObject("cold"))
		}},
		{"restore twice", "409 RestoreAlreadyInProgress", func() error {
			if err := b.RestoreObject("cold"); err != nil {
				return err
			}
			return b.RestoreObject("cold")
		}},
		{"part 0", "400 InvalidArgument", func() error {
			u, _ := upload()
			return last(b.UploadPart(u, strings.NewReader("x"), 1, 0))
		}},
		{"part 10,001", "400 InvalidArgument", func() error {
			u, _ := upload()
			return last(b.UploadPart(u, strings.NewReader("x"), 1, 10001))
		}},
		{"part out of order", "400 InvalidPartOrder", func() error {
			u, p := upload(big, big)
			p[0], p[1] = p[1], p[0]
			// The SDK sorts them, so they are told apart by a number.
			return s.completeRaw(t, u, p)
		}},
		{"part twice", "400 InvalidPartOrder", func() error {
			u, p := upload(big)
			return complete(u, append(p, p[0]))
		}},
		{"part under 100 KiB", "400 EntityTooSmall", func() error { return complete(upload(small, big)) }},
		{"part with another ETag", "400 InvalidPart", func() error {
			u, p := upload(big)
			p[0].ETag = `"00000000000000000000000000000000"`
			return complete(u, p)
		}},
		{"part that was not sent", "400 InvalidPart", func() error {
			u, p := upload(big)
			return complete(u, append(p, sdk.UploadPart{PartNumber: 7, ETag: p[0].ETag}))
		}},
		{"no parts", "400 MalformedXML", func() error { return complete(upload()) }},
		{"completed twice", "404 NoSuchUpload", func() error {
			u, p := upload(big)
			if err := complete(u, p); err != nil {
				return err
			}
			return complete(u, p)
		}},
		{"part of an aborted upload", "404 NoSuchUpload", func() error {
			u, _ := upload(big)
			if err := b.AbortMultipartUpload(u); err != nil {
				return err
			}
			return last(b.UploadPart(u, strings.NewReader("x"), 1, 1))
		}},
		{"complete all and a body", "400 InvalidArgument", func() error {
			u, p := upload(big)
			return last(b.CompleteMultipartUpload(u, p, sdk.SetHeader("x-oss-complete-all", "yes")))
		}},
		{"1,001 keys to delete", "400 MalformedXML", func() error {
			keys := make([]string, 1001)
			for i := range keys {
				keys[i] = strconv.Itoa(i)
			}
			return last(b.DeleteObjects(keys))
		}},
		{"max-keys of 1,001", "400 InvalidArgument", func() error { return last(b.ListObjects(sdk.MaxKeys(1001))) }},
		{"bucket that is not empty", "409 BucketNotEmpty", func() error { return b.Client.DeleteBucket(name) }},
		{"bucket that is not there", "404 NoSuchBucket", func() error { return b.Client.DeleteBucket("no-bucket") }},
		{"unsupported operation", "501 NotImplemented", func() error { return last(b.Client.GetBucketLifecycle(name)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); code(err) != tt.want {
				t.Errorf("got %s, want %s", code(err), tt.want)
			}
		})
	}
}

// completeRaw completes an upload with parts in the order given.
func (s *sandbox) completeRaw(t *testing.T, u sdk.InitiateMultipartUploadResult, parts []sdk.UploadPart) error {
	body, err := xml.Marshal(struct {
		XMLName xml.Name         `xml:"CompleteMultipartUpload"`
		Part    []sdk.UploadPart `xml:"Part"`
	}{Part: parts})
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.client(t).SignURL(u.Key, sdk.HTTPPost, 60, sdk.AddParam("uploadId", u.UploadID))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(url, "", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return serviceError(t, res)
}

// serviceError reads an error as the SDK does.
func serviceError(t *testing.T, res *http.Response) error {
	t.Helper()
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if v := res.Header.Get("X-Oss-Err"); v != "" {
		body, _ = base64.StdEncoding.DecodeString(v)
	}
	if res.StatusCode < 300 {
		return nil
	}
	var e sdk.ServiceError
	if err := xml.Unmarshal(body, &e); err != nil {
		t.Fatalf("%s with a body that is no XML: %v\n%s", res.Status, err, body)
	}
	e.StatusCode = res.StatusCode
	if e.RequestID == "" || e.RequestID != res.Header.Get("X-Oss-Request-Id") || e.HostID == "" || e.Ec == "" {
		t.Errorf("incomplete error: %s", body)
	}
	return e
}

// TestSignatureRefusals changes signed requests a little.
func TestSignatureRefusals(t *testing.T) {
	now := time.Now()
	s := start(t, func(o *oss.Options) {
		o.Authority = authority.New(authority.Options{Now: func() time.Time { return now }})
		o.Authority.AddStatic(keyID, secret)
	})
	for version, opts := range versions {
		t.Run(version, func(t *testing.T) {
			b := s.client(t, opts...)
			if err := b.PutObject("k", strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			signed, err := b.SignURL("k", sdk.HTTPGet, 60)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(signed)
			if err != nil {
				t.Fatal(err)
			}
			try := func(method string, change func(url.Values, *http.Request)) string {
				t.Helper()
				q := u.Query()
				req, err := http.NewRequest(method, u.String(), nil)
				if err != nil {
					t.Fatal(err)
				}
				change(q, req)
				req.URL.RawQuery = q.Encode()
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				return code(serviceError(t, res))
			}
			sig := "Signature"
			if version[:2] != "v1" {
				sig = "x-oss-signature"
			}
			const mismatch = "403 SignatureDoesNotMatch"
			for what, tt := range map[string]struct {
				method, want string
				change       func(url.Values, *http.Request)
			}{
				"nothing changed":         {"GET", "<nil>", func(url.Values, *http.Request) {}},
				"one character":           {"GET", mismatch, func(q url.Values, _ *http.Request) { q.Set(sig, flip(q.Get(sig))) }},
				"one character less":      {"GET", mismatch, func(q url.Values, _ *http.Request) { q.Set(sig, q.Get(sig)[1:]) }},
				"another method":          {"DELETE", mismatch, func(url.Values, *http.Request) {}},
				"another key":             {"GET", mismatch, func(_ url.Values, r *http.Request) { r.URL.Path += "2" }},
				"a header that is signed": {"GET", mismatch, func(_ url.Values, r *http.Request) { r.Header.Set("x-oss-object-acl", "private") }},
				"a parameter that is signed": {"GET", mismatch, func(q url.Values, _ *http.Request) {
					q.Set("response-content-type", "text/html")
				}},
				"by HEAD": {"HEAD", mismatch, func(url.Values, *http.Request) {}},
			} {
				if got := try(tt.method, tt.change); got != tt.want {
					t.Errorf("%s: got %s, want %s", what, got, tt.want)
				}
			}
			defer func() { now = time.Now() }()
			now = now.Add(2 * time.Minute)
			if got, want := try("GET", func(url.Values, *http.Request) {}), "403 AccessDenied"; got != want {
				t.Errorf("a URL that has expired: got %s, want %s", got, want)
			}
			now = now.Add(15 * time.Minute)
			if got, want := code(b.PutObject("k", strings.NewReader("x"))), "403 RequestTimeTooSkewed"; got != want {
				t.Errorf("a clock 17 minutes late: got %s, want %s", got, want)
			}
			now = now.Add(-31 * time.Minute)
			if got := b.PutObject("k", strings.NewReader("x")); got != nil {
				t.Errorf("a clock 14 minutes early: got %s, want no error", code(got))
			}
		})
	}
	for what, tt := range map[string]struct {
		want string
		key  string
		sk   string
		opts []sdk.ClientOption
	}{
		"another secret":   {"403 SignatureDoesNotMatch", keyID, "other", nil},
		"an unknown key":   {"403 InvalidAccessKeyId", "nobody", secret, nil},
		"another region":   {"400 InvalidArgument", keyID, secret, []sdk.ClientOption{sdk.AuthVersion(sdk.AuthV4), sdk.Region("cn-beijing")}},
		"a token too many": {"403 InvalidSecurityToken", keyID, secret, []sdk.ClientOption{sdk.SecurityToken("x")}},
	} {
		c, err := sdk.New(s.url, tt.key, tt.sk, tt.opts...)
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.Bucket(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := code(b.PutObject("k", strings.NewReader("x"))); got != tt.want {
			t.Errorf("%s: got %s, want %s", what, got, tt.want)
		}
	}
}

// flip changes the first character of a base64 or hexadecimal text.
func flip(s string) string {
	if s[0] == 'a' {
		return "b" + s[1:]
	}
	return "a" + s[1:]
}

func TestAnonymous(t *testing.T) {
	s := start(t)
	b := s.client(t)
	for key, acl := range map[string]sdk.ACLType{"private": sdk.ACLPrivate, "public": sdk.ACLPublicRead, "default": sdk.ACLDefault} {
		if err := b.PutObject(key, strings.NewReader("x"), sdk.ObjectACL(acl)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/" + name + "/public", "<nil>"},
		{"HEAD", "/" + name + "/public", "<nil>"},
		{"GET", "/" + name + "/private", "403 AccessDenied"},
		{"GET", "/" + name + "/default", "403 AccessDenied"},
		{"HEAD", "/" + name + "/default", "403 AccessDenied"},
		{"DELETE", "/" + name + "/public", "403 AccessDenied"},
		{"PUT", "/" + name + "/public", "403 AccessDenied"},
		{"GET", "/" + name, "403 AccessDenied"},
		{"GET", "/", "403 AccessDenied"},
		{"GET", "/no-bucket", "404 NoSuchBucket"},
		{"GET", "/No_Bucket/k", "400 InvalidBucketName"},
		{"GET", "/" + name + "/public?Signature=x", "403 AccessDenied"},
		{"PATCH", "/" + name + "/public", "405 MethodNotAllowed"},
	} {
		req, err := http.NewRequest(tt.method, s.url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := code(serviceError(t, res)); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.method, tt.path, got, tt.want)
		}
	}
}
