package oss

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
	"sync"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// readV4 reads "Credential=..., AdditionalHeaders=a;b, Signature=value".
func readV4(x *exchange, h string) (*signature, *Error) {
	sig := &signature{version: 4, token: x.header("X-Oss-Security-Token")}
	if sig.date = x.header("X-Oss-Date"); sig.date == "" {
		sig.date = x.header("Date")
	}
	credential := ""
	for part := range strings.SplitSeq(h, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, badAuthorization(h)
		}
		switch name {
		case "Credential":
			credential = value
		case "AdditionalHeaders":
			sig.extra = value
		case "Signature":
			sig.value = value
		}
	}
	if sig.value == "" {
		return nil, badAuthorization(h)
	}
	if x.header("X-Oss-Content-Sha256") == "" {
		return nil, invalidArgument("The x-oss-content-sha256 header is required.", "x-oss-content-sha256", "", "0002-00000203")
	}
	return sig, sig.setCredential(credential, x.region)
}

func readPresignedV4(x *exchange) (*signature, *Error) {
	sig := &signature{
		version: 4, presigned: true,
		value: x.query.get("x-oss-signature"),
		date:  x.query.get("x-oss-date"),
		extra: x.query.get("x-oss-additional-headers"),
		token: x.query.get("x-oss-security-token"),
	}
	credential := x.query.get("x-oss-credential")
	if sig.value == "" || sig.date == "" || credential == "" {
		return nil, accessDenied("Query-string authentication requires the x-oss-signature, x-oss-date, x-oss-expires and x-oss-credential parameters.", "0002-00000061")
	}
	if sig.token == "" {
		sig.token = x.header("X-Oss-Security-Token")
	}
	return sig, sig.setCredential(credential, x.region)
}

// setCredential takes "id/day/region/oss/aliyun_v4_request" apart.
func (sig *signature) setCredential(credential, region string) *Error {
	// An access key id may hold no slash, so the first ends it.
	id, scope, _ := strings.Cut(credential, "/")
	f := strings.Split(scope, "/")
	bad := func(what string) *Error {
		return invalidArgument("Invalid signing "+what+" in Authorization header.", "Credential", credential, "0002-00000204")
	}
	switch {
	case id == "" || len(f) != 4:
		return bad("credential")
	case f[3] != "aliyun_v4_request":
		return bad("version")
	case f[2] != "oss":
		return bad("product")
	case f[1] == "" || region != "" && f[1] != region:
		return bad("region")
	}
	t, ok := parseTime(sig.date)
	if !ok {
		return accessDenied("OSS authentication requires a valid Date.", "0002-00000205")
	}
	if t.UTC().Format("20060102") != f[0] {
		return bad("date")
	}
	sig.keyID, sig.scope = id, scope
	return nil
}

func proveV4(x *exchange, sig *signature, secret string, keys *keyCache) proof {
	key := keys.get(secret, sig.scope)
	tools := key.Get().(*toolsV4)
	defer key.Put(tools)
	b := append(tools.text[:0], x.r.Method...)
	b = append(b, "\n/"...)
	if x.bucket != "" {
		b = appendEscaped(b, x.bucket, true)
		b = append(b, '/')
		b = appendEscaped(b, x.key, true)
	}
	b = append(b, '\n')
	b = signedQuery(b, x.query)
	b = append(b, '\n')
	extra := additional(sig.extra)
	b = signedHeaders(b, x, true, func(lower string) bool {
		return isOSSHeader(lower) || lower == "content-type" || lower == "content-md5" || slices.Contains(extra, lower)
	})
	b = append(b, '\n')
	b = append(b, strings.Join(extra, ";")...)
	b = append(b, '\n')
	if v := x.header("X-Oss-Content-Sha256"); v != "" {
		b = append(b, v...)
	} else {
		b = append(b, unsignedPayload...)
	}
	n := len(b)
	sum := sha256.Sum256(b)

	b = append(b, "OSS4-HMAC-SHA256\n"...)
	b = append(b, sig.date...)
	b = append(b, '\n')
	b = append(b, sig.scope...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, sum[:])
	tools.mac.Reset()
	tools.mac.Write(b[n:])
	tools.text = b
	p := proof{sum: hex.EncodeToString(tools.mac.Sum(sum[:0]))}
	if p.sum != sig.value {
		p.canonical, p.stringToSign = string(b[:n]), string(b[n:])
	}
	return p
}

// toolsV4 are what a signature is computed with.
type toolsV4 struct {
	mac  hash.Hash // with the key in it
	text []byte
}

// A keyCache remembers the signing keys of version 4. They cost four hashes and
// last a day.
type keyCache struct {
	mu   sync.Mutex
	keys map[[2]string]*sync.Pool // of *toolsV4, by secret and scope
}

// get returns what signs for scope, day/region/product/version.
func (c *keyCache) get(secret, scope string) *sync.Pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.keys[[2]string{secret, scope}]; ok {
		return k
	}
	key := []byte("aliyun_v4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if c.keys == nil || len(c.keys) > 1000 {
		c.keys = make(map[[2]string]*sync.Pool)
	}
	pool := &sync.Pool{New: func() any { return &toolsV4{mac: hmac.New(sha256.New, key)} }}
	c.keys[[2]string{secret, scope}] = pool
	return pool
}
