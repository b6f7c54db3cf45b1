package oss

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// maxSkew is how far a client's clock may be off.
const maxSkew = 15 * time.Minute

// A signature is what a request claims about who made it.
type signature struct {
	version   int // 1, 2 or 4
	presigned bool
	keyID     string
	value     string // as sent: base64, or hexadecimal for version 4
	date      string // the line of the string to sign
	scope     string // version 4: day/region/product/aliyun_v4_request
	extra     string // additional headers as sent, "a;b"
	token     string // of STS
}

// A proof is what the server computed for the same request.
type proof struct {
	sum          string // what value should have been
	stringToSign string // version 4: "" where value is right
	canonical    string // version 4: "" where value is right
}

// authenticate finds out who made the request. A request without a signature
// is anonymous.
func (s *Server) authenticate(x *exchange) *Error {
	sig, err := readSignature(x)
	if err != nil {
		return err
	}
	if sig == nil {
		x.anon = true
		return nil
	}
	if err := s.checkTime(x, sig); err != nil {
		return err
	}
	grant, ok := s.authority.Lookup(sig.keyID)
	if !ok || x.fault != nil && x.fault.Token == TokenRevoked {
		return invalidKeyID(sig.keyID)
	}
	if err := checkToken(x, sig, grant); err != nil {
		return err
	}
	p := s.prove(x, sig, grant.AccessKeySecret)
	if subtle.ConstantTimeCompare([]byte(p.sum), []byte(sig.value)) != 1 {
		return mismatch(sig, p)
	}
	x.grant = grant
	return nil
}

// readSignature returns what the request says of itself, nil for nothing.
func readSignature(x *exchange) (*signature, *Error) {
	if h := x.header("Authorization"); h != "" {
		switch {
		case strings.HasPrefix(h, "OSS4-HMAC-SHA256 "):
			return readV4(x, h[len("OSS4-HMAC-SHA256 "):])
		case strings.HasPrefix(h, "OSS2 "):
			return readV2(x, h[len("OSS2 "):])
		case strings.HasPrefix(h, "OSS "):
			return readV1(x, h[len("OSS "):])
		}
		return nil, badAuthorization(h)
	}
	q := x.query
	if len(q) == 0 {
		return nil, nil
	}
	switch v := q.get("x-oss-signature-version"); {
	case v == "OSS4-HMAC-SHA256":
		return readPresignedV4(x)
	case v == "OSS2":
		return readPresignedV2(x)
	case v != "":
		return nil, invalidArgument("The signature version is not supported.", "x-oss-signature-version", v, "0002-00000221")
	case q.has("Signature") || q.has("OSSAccessKeyId"):
		return readPresignedV1(x)
	}
	return nil, nil
}

func badAuthorization(h string) *Error {
	return invalidArgument("Authorization header is invalid.", "Authorization", h, "0002-00000221")
}

// prove computes the signature that the holder of the secret makes.
func (s *Server) prove(x *exchange, sig *signature, secret string) proof {
	switch sig.version {
	case 1:
		return proveV1(x, sig, secret)
	case 2:
		return proveV2(x, sig, secret)
	}
	return proveV4(x, sig, secret, &s.keys)
}

// checkToken checks that the token belongs to the key and has not run out.
func checkToken(x *exchange, sig *signature, g authority.Grant) *Error {
	expired := g.Expired(x.now)
	if x.fault != nil {
		switch x.fault.Token {
		case TokenExpired:
			expired = true
		case TokenInvalid:
			return invalidToken("0002-00000006")
		}
	}
	switch {
	case !g.Temporary() && sig.token != "":
		return invalidToken("0002-00000008")
	case g.Temporary() && sig.token == "":
		return (&Error{Status: 403, Code: "InvalidAccessKeyId",
			Message: "The OSS Access Key Id you provided is disabled.", EC: "0002-00000003"}).with("OSSAccessKeyId", sig.keyID)
	case subtle.ConstantTimeCompare([]byte(g.SecurityToken), []byte(sig.token)) != 1:
		return invalidToken("0002-00000006")
	case expired:
		return &Error{Status: 403, Code: "SecurityTokenExpired",
			Message: "The security token you provided has expired.", EC: "0002-00000007"}
	}
	return nil
}

func invalidToken(ec string) *Error {
	return &Error{Status: 403, Code: "InvalidSecurityToken", Message: "The security token you provided is invalid.", EC: ec}
}

func invalidKeyID(id string) *Error {
	return (&Error{Status: 403, Code: "InvalidAccessKeyId",
		Message: "The OSS Access Key Id you provided does not exist in our records.", EC: "0002-00000902"}).with("OSSAccessKeyId", id)
}

func mismatch(sig *signature, p proof) *Error {
	e := &Error{Status: 403, Code: "SignatureDoesNotMatch",
		Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
		EC:      "0002-00000040"}
	e.with("OSSAccessKeyId", sig.keyID).with("SignatureProvided", sig.value).with("StringToSign", p.stringToSign)
	if p.canonical != "" {
		e.with("CanonicalRequest", p.canonical)
	}
	return e
}

// checkTime checks the time of a signed request, or that a presigned one is
// not over.
func (s *Server) checkTime(x *exchange, sig *signature) *Error {
	if sig.presigned {
		return checkExpiry(x, sig)
	}
	t, ok := requestTime(x)
	if !ok {
		return accessDenied("OSS authentication requires a valid Date.", "0002-00000003")
	}
	if d := x.now.Sub(t); d > maxSkew || d < -maxSkew {
		return (&Error{Status: 403, Code: "RequestTimeTooSkewed",
			Message: "The difference between the request time and the current time is too large.", EC: "0002-00000504"}).
			with("MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10)).
			with("RequestTime", t.UTC().Format(isoMillis)).
			with("ServerTime", x.now.UTC().Format(isoMillis))
	}
	return nil
}

// The forms of time.
const (
	isoMillis = "2006-01-02T15:04:05.000Z"
	isoBasic  = "20060102T150405Z"
)

// requestTime returns the time a request was made at, as its headers say.
func requestTime(x *exchange) (time.Time, bool) {
	v := x.header("X-Oss-Date")
	if v == "" {
		v = x.header("Date")
	}
	return parseTime(v)
}

// parseTime reads a time in one of the forms that clients send.
func parseTime(v string) (time.Time, bool) {
	if len(v) == len(isoBasic) {
		if t, err := time.Parse(isoBasic, v); err == nil {
			return t, true
		}
	}
	t, err := http.ParseTime(v)
	return t, err == nil
}

// checkExpiry checks a presigned URL: Expires in seconds of the epoch for
// versions 1 and 2, a start and a number of seconds for version 4.
func checkExpiry(x *exchange, sig *signature) *Error {
	over := accessDenied("Request has expired.", "0002-00000069")
	if sig.version != 4 {
		end, err := strconv.ParseInt(sig.date, 10, 64)
		if err != nil {
			return invalidArgument("The Expires is not valid.", "Expires", sig.date, "0002-00000071")
		}
		if x.now.Unix() > end {
			return over.with("Expires", time.Unix(end, 0).UTC().Format(isoMillis)).with("ServerTime", x.now.UTC().Format(isoMillis))
		}
		return nil
	}
	start, ok := parseTime(sig.date)
	if !ok {
		return invalidArgument("Invalid signing date in Authorization header.", "x-oss-date", sig.date, "0002-00000201")
	}
	v := x.query.get("x-oss-expires")
	seconds, err := strconv.ParseInt(v, 10, 64)
	if err != nil || seconds < 1 || seconds > 604800 {
		return invalidArgument("x-oss-expires should be between 1 and 604800 seconds.", "x-oss-expires", v, "0002-00000202")
	}
	if start.Sub(x.now) > maxSkew {
		return accessDenied("Request is not valid yet.", "0002-00000070")
	}
	if end := start.Add(time.Duration(seconds) * time.Second); x.now.After(end) {
		return over.with("Expires", end.UTC().Format(isoMillis)).with("ServerTime", x.now.UTC().Format(isoMillis))
	}
	return nil
}

// signedHeaders appends "name:value\n" of every header that take accepts, in
// the order of their lower-case names.
func signedHeaders(b []byte, x *exchange, trim bool, take func(lower string) bool) []byte {
	type field struct{ name, value string }
	var room [16]field
	fields := room[:0]
	for name, v := range x.r.Header {
		if lower := lowerName(name); take(lower) {
			fields = append(fields, field{lower, v[0]})
		}
	}
	if take("host") {
		fields = append(fields, field{"host", x.r.Host})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for _, f := range fields {
		if trim {
			f.value = strings.TrimSpace(f.value)
		}
		b = append(b, f.name...)
		b = append(b, ':')
		b = append(b, f.value...)
		b = append(b, '\n')
	}
	return b
}

// lowerNames holds the names of headers that most requests have.
var lowerNames = make(map[string]string)

func init() {
	for _, name := range []string{
		"Accept-Encoding", "Authorization", "Cache-Control", "Content-Length", "Content-Md5", "Content-Type", "Date", "User-Agent",
		"X-Oss-Content-Sha256", "X-Oss-Date", "X-Oss-Meta-Osssync-Mode", "X-Oss-Meta-Osssync-Mtime", "X-Oss-Security-Token",
	} {
		lowerNames[name] = strings.ToLower(name)
	}
}

func lowerName(name string) string {
	if lower, ok := lowerNames[name]; ok {
		return lower
	}
	return strings.ToLower(name)
}

// signedQuery appends the whole query but the signature, escaped and in the
// order of the escaped names, as versions 2 and 4 have it.
func signedQuery(b []byte, q query) []byte {
	if len(q) == 0 {
		return b
	}
	type pair struct{ name, value string }
	var room [16]pair
	pairs := room[:0]
	for _, p := range q {
		if p.name != "x-oss-signature" {
			pairs = append(pairs, pair{string(appendEscaped(nil, p.name, false)), p.value})
		}
	}
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		if p.value != "" {
			b = append(b, '=')
			b = appendEscaped(b, p.value, false)
		}
	}
	return b
}

// base64Sum is how versions 1 and 2 send a signature.
func base64Sum(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }
