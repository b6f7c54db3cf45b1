package oss

import (
	"net"
	"net/http"
	"strings"
)

// A target is what a request is about: a key in a bucket, a bucket, or, where
// both are empty, the service.
type target struct {
	bucket, key string
	query       query
}

// A query is the decoded query of a request, in the order it came.
type query []parameter

type parameter struct{ name, value string }

// get returns the value of the first parameter of that name, or "".
func (q query) get(name string) string {
	for i := range q {
		if q[i].name == name {
			return q[i].value
		}
	}
	return ""
}

// has reports whether there is a parameter of that name, with a value or
// without.
func (q query) has(name string) bool {
	for i := range q {
		if q[i].name == name {
			return true
		}
	}
	return false
}

// parseTarget takes a request apart. It looks at the raw request line: a key is
// any sequence of bytes, so that "a//b", "a/./b" and "%2F" must reach the
// bucket as they were sent.
func parseTarget(r *http.Request, names *hostNames) (target, *Error) {
	var t target
	uri := r.RequestURI
	if !strings.HasPrefix(uri, "/") { // "http://host/path", as to a proxy
		_, after, ok := strings.Cut(uri, "://")
		if !ok {
			return t, invalidURI(uri)
		}
		if i := strings.IndexAny(after, "/?"); i < 0 {
			uri = "/"
		} else {
			uri = after[i:]
		}
	}
	path, raw, _ := strings.Cut(uri, "?")
	path = strings.TrimPrefix(path, "/")

	bucket, pathStyle, err := names.bucket(r.Host)
	if err != nil {
		return t, err
	}
	if pathStyle {
		bucket, path, _ = strings.Cut(path, "/")
	}
	var ok bool
	if t.bucket, ok = unescape(bucket, false); !ok {
		return t, invalidURI(uri)
	}
	if t.key, ok = unescape(path, false); !ok {
		return t, invalidURI(uri)
	}
	if t.query, ok = parseQuery(raw); !ok {
		return t, invalidURI(uri)
	}
	return t, checkNames(t, pathStyle && names.domain != "")
}

func invalidURI(uri string) *Error {
	return (&Error{Status: 400, Code: "InvalidURI", Message: "Couldn't parse the specified URI.", EC: "0017-00000001"}).with("URI", uri)
}

func checkNames(t target, refused bool) *Error {
	if t.bucket == "" {
		return nil
	}
	if refused {
		return (&Error{Status: 403, Code: "SecondLevelDomainForbidden",
			Message: "The bucket you are attempting to access must be addressed using OSS third level domain.",
			EC:      "0048-00000001"}).with("Bucket", t.bucket)
	}
	if !validBucket(t.bucket) {
		return (&Error{Status: 400, Code: "InvalidBucketName", Message: "The specified bucket is not valid.",
			EC: "0015-00000001"}).with("BucketName", t.bucket)
	}
	if t.key != "" && !validKey(t.key) {
		return (&Error{Status: 400, Code: "InvalidObjectName", Message: "The specified object is not valid.",
			EC: "0016-00000001"}).with("ObjectName", t.key)
	}
	return nil
}

func parseQuery(raw string) (query, bool) {
	if raw == "" {
		return nil, true
	}
	q := make(query, 0, strings.Count(raw, "&")+1)
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		n, ok1 := unescape(name, true)
		v, ok2 := unescape(value, true)
		if !ok1 || !ok2 {
			return nil, false
		}
		q = append(q, parameter{n, v})
	}
	return q, true
}

// hostNames says which bucket a Host header names.
type hostNames struct {
	domain string            // "" where any of the local forms will do
	cnames map[string]string // host to bucket; not changed after New
}

// bucket returns the bucket that a host names. With pathStyle the host is the
// service itself and the bucket is in the path.
func (n *hostNames) bucket(hostport string) (name string, pathStyle bool, err *Error) {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if name, ok := n.cnames[host]; ok {
		return name, false, nil
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return "", true, nil
	}
	if n.domain != "" {
		if name, ok := strings.CutSuffix(host, "."+n.domain); ok {
			return name, false, nil
		}
		if host == n.domain {
			return "", true, nil
		}
		return "", false, noSuchBucket(host) // no one's CNAME
	}
	if name, ok := strings.CutSuffix(host, ".localhost"); ok {
		return name, false, nil
	}
	if i := max(strings.Index(host, ".127-0-0-1."), strings.Index(host, ".127.0.0.1.")); i > 0 {
		return host[:i], false, nil
	}
	return "", true, nil
}
