package sdkv2

import (
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// TestCredentials has one thing wrong with the credential at a time.
func TestCredentials(t *testing.T) {
	s := ready(t)
	static, sts := staticKey(t), s.stsKey(t)
	for _, c := range []struct {
		name   string
		k      key
		status int
		code   string
	}{
		{"static", static, 200, ""},
		{"sts", sts, 200, ""},
		{"unknown", key{"nobody", "secret", ""}, 403, "InvalidAccessKeyId"},
		{"secret off by one", key{static.AccessKeyId, static.AccessKeySecret + "x", ""}, 403, "SignatureDoesNotMatch"},
		{"sts secret off by one", key{sts.AccessKeyId, sts.AccessKeySecret + "x", sts.SecurityToken}, 403, "SignatureDoesNotMatch"},
		{"no token", key{sts.AccessKeyId, sts.AccessKeySecret, ""}, 403, "InvalidAccessKeyId"},
		{"other token", key{sts.AccessKeyId, sts.AccessKeySecret, strings.ToLower(sts.SecurityToken)}, 403, "InvalidSecurityToken"},
	} {
		for _, version := range []oss.SignatureVersionType{oss.SignatureVersionV1, oss.SignatureVersionV4} {
			b := bench{t, s, s.client(version, c.k.provider()), t.Context(), "credentials/"}
			_, err := b.c.PutObject(b.ctx, &oss.PutObjectRequest{Bucket: b.bucket(), Key: b.key(c.name), Body: b.body([]byte("x"))})
			if c.code == "" {
				b.no(err, c.name)
				b.empty()
			} else {
				b.refused(err, c.status, c.code)
			}
		}
	}
}

// TestMissing asks for what is not there.
func TestMissing(t *testing.T) {
	each(t, func(b bench) {
		_, err := b.c.GetObject(b.ctx, &oss.GetObjectRequest{Bucket: b.bucket(), Key: b.key("nothing")})
		b.refused(err, 404, "NoSuchKey")
		_, err = b.c.HeadObject(b.ctx, &oss.HeadObjectRequest{Bucket: b.bucket(), Key: b.key("nothing")})
		b.refused(err, 404, "NoSuchKey")
		_, err = b.c.PutObject(b.ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("no-such-bucket"), Key: b.key("x"), Body: b.body(nil)})
		b.refused(err, 404, "NoSuchBucket")
		long := strings.Repeat("k", 1024)
		_, err = b.c.PutObject(b.ctx, &oss.PutObjectRequest{Bucket: b.bucket(), Key: &long, Body: b.body(nil)})
		b.refused(err, 400, "InvalidObjectName")
	})
}
