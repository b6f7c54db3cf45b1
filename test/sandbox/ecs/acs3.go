package ecs

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// algorithm names the one way of signing that STS takes here.
const algorithm = "ACS3-HMAC-SHA256"

// maxBody bounds the form of a request. The longest policy is far below it.
const maxBody = 64 << 10

// A signature is what an Authorization header says.
type signature struct {
	accessKeyID string
	headers     []string // names of those that are signed, lower case
	hex         string
}

// parseSignature reads an Authorization header. It is false where that is of
// another algorithm or lacks a part.
func parseSignature(authorization string) (signature, bool) {
	rest, ok := strings.CutPrefix(authorization, algorithm+" ")
	if !ok {
		return signature{}, false
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[k] = v
	}
	s := signature{accessKeyID: parts["Credential"], hex: parts["Signature"]}
	if parts["SignedHeaders"] != "" {
		s.headers = strings.Split(parts["SignedHeaders"], ";")
	}
	return s, s.accessKeyID != "" && s.hex != "" && len(s.headers) > 0
}

// covers reports whether the signature covers the host and each x-acs- header,
// in order, as it must.
func (s signature) covers(h http.Header) bool {
	if !slices.IsSorted(s.headers) || !slices.Contains(s.headers, "host") {
		return false
	}
	for name := range h {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-acs-") && !slices.Contains(s.headers, name) {
			return false
		}
	}
	return true
}

// verify reports whether the signature is that of the request under the secret,
// and the header with the hash of the body is right.
func (s signature) verify(r *http.Request, body []byte, secret string) bool {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if r.Header.Get("X-Acs-Content-Sha256") != hash {
		return false
	}
	got, err := hex.DecodeString(s.hex)
	return err == nil && hmac.Equal(got, s.compute(r, hash, secret))
}

// compute returns the signature that the request should have.
func (s signature) compute(r *http.Request, bodyHash, secret string) []byte {
	sum := sha256.Sum256(s.canonical(r, bodyHash))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(algorithm + "\n" + hex.EncodeToString(sum[:])))
	return mac.Sum(nil)
}

// canonical returns the form of the request that is signed.
func (s signature) canonical(r *http.Request, bodyHash string) []byte {
	var b bytes.Buffer
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(r.Method + "\n" + path + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range s.headers {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	b.WriteString("\n" + strings.Join(s.headers, ";") + "\n" + bodyHash)
	return b.Bytes()
}

// canonicalQuery writes the parameters in order, each escaped as RFC 3986 has
// it.
func canonicalQuery(q url.Values) string {
	var pairs []string
	for k, vs := range q {
		for _, v := range vs {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape is percent encoding of all but the unreserved characters.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
