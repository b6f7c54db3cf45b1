package ecs

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// knownAnswers are requests with the signature that they must have: the example
// of Alibaba's documentation, and one of AssumeRole with a session token.
var knownAnswers = []struct {
	name, url, secret, signature string
	header                       map[string]string
}{
	{
		name: "documented",
		url: "http://ecs.cn-shanghai.aliyuncs.com/?RegionId=cn-shanghai&" +
			"ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
		secret:    "YourAccessKeySecret",
		signature: "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
		header: map[string]string{
			"x-acs-action":          "RunInstances",
			"x-acs-version":         "2014-05-26",
			"x-acs-date":            "2023-10-26T10:22:32Z",
			"x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
			"x-acs-content-sha256":  emptyHash,
		},
	},
	{
		name: "assume role",
		url: "http://sts-vpc.cn-hangzhou.aliyuncs.com/?RoleSessionName=osssync-i-bp1&DurationSeconds=3600&" +
			"RoleArn=acs%3Aram%3A%3A123456789012%3Arole%2FTarget",
		secret:    "ExampleSecret",
		signature: "a0ed213f7fdda2226895ddf361ec1e4526998f6b385f1214c3b8dd1bc1e56a87",
		header: map[string]string{
			"x-acs-action":          "AssumeRole",
			"x-acs-version":         "2015-04-01",
			"x-acs-date":            "2026-01-02T03:04:05Z",
			"x-acs-signature-nonce": "0123456789abcdef0123456789abcdef",
			"x-acs-content-sha256":  emptyHash,
			"x-acs-accesskey-id":    "STS.EXAMPLEID",
			"x-acs-security-token":  "CAISexample",
		},
	},
}

func TestKnownSignatures(t *testing.T) {
	for _, k := range knownAnswers {
		t.Run(k.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, k.url, nil)
			names := []string{"host"}
			for n, v := range k.header {
				r.Header.Set(n, v)
			}
			for _, n := range []string{"accesskey-id", "action", "content-sha256", "date", "security-token", "signature-nonce", "version"} {
				if _, ok := k.header["x-acs-"+n]; ok {
					names = append(names, "x-acs-"+n)
				}
			}
			auth := algorithm + " Credential=id,SignedHeaders=" + strings.Join(names, ";") + ",Signature=" + k.signature
			sig, ok := parseSignature(auth)
			if !ok || !sig.covers(r.Header) || !sig.verify(r, nil, k.secret) {
				t.Fatalf("the signature is refused: parsed %v, covers %v", ok, sig.covers(r.Header))
			}
			for i := range sig.hex {
				if off := sig.offByOne(i); off.verify(r, nil, k.secret) {
					t.Errorf("a signature wrong in digit %d is taken", i)
				}
			}
			if sig.verify(r, nil, k.secret+"x") || sig.verify(r, []byte("x"), k.secret) {
				t.Error("another secret, or another body, is taken")
			}
			bare := sig
			bare.headers = slices.DeleteFunc(slices.Clone(sig.headers), func(n string) bool { return n == "x-acs-content-sha256" })
			bare.hex = hex.EncodeToString(bare.compute(r, emptyHash, k.secret))
			r.Header.Del("x-acs-content-sha256")
			if bare.verify(r, nil, k.secret) {
				t.Error("a request that does not tell the hash of its body is taken")
			}
			r.Header.Set("x-acs-content-sha256", emptyHash)
			r.Header.Set("x-acs-date", "2026-01-02T03:04:06Z")
			if sig.verify(r, nil, k.secret) {
				t.Error("a changed header is taken")
			}
			r.Header.Set("X-Acs-Extra", "1")
			if sig.covers(r.Header) {
				t.Error("an x-acs header that is not signed is taken")
			}
		})
	}
}

// offByOne returns the signature with another digit at i.
func (s signature) offByOne(i int) signature {
	b := []byte(s.hex)
	if b[i] == '0' {
		b[i] = '1'
	} else {
		b[i] = '0'
	}
	s.hex = string(b)
	return s
}

func TestParseSignature(t *testing.T) {
	for _, auth := range []string{
		"",
		"Basic dXNlcjpwYXNz",
		"OSS4-HMAC-SHA256 Credential=id,SignedHeaders=host,Signature=00",
		algorithm,
		algorithm + " ",
		algorithm + " Credential=id,Signature=00",
		algorithm + " SignedHeaders=host,Signature=00",
		algorithm + " Credential=id,SignedHeaders=host",
	} {
		if s, ok := parseSignature(auth); ok {
			t.Errorf("parseSignature(%q) = %+v, want it refused", auth, s)
		}
	}
	s, ok := parseSignature(algorithm + " Credential=id, SignedHeaders=host;x-acs-a, Signature=00")
	if !ok || s.accessKeyID != "id" || s.hex != "00" || strings.Join(s.headers, " ") != "host x-acs-a" {
		t.Errorf("with spaces: %+v, %v", s, ok)
	}
	if s.headers = []string{"x-acs-a", "host"}; s.covers(http.Header{}) {
		t.Error("headers out of order are taken")
	}
}

func TestEscape(t *testing.T) {
	const in, want = "aZ0-_.~ +*/:=&%é", "aZ0-_.~%20%2B%2A%2F%3A%3D%26%25%C3%A9"
	if got := escape(in); got != want {
		t.Errorf("escape(%q) = %q, want %q", in, got, want)
	}
}
