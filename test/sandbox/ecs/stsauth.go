package ecs

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// maxSkew is how far a request's time may be off, either way.
const maxSkew = 15 * time.Minute

// params returns the parameters: of the query, and of the body where that is a
// form.
func params(r *http.Request, body []byte) (url.Values, error) {
	p, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return p, err
	}
	form, err := url.ParseQuery(string(body))
	for k, v := range form {
		p[k] = append(p[k], v...)
	}
	return p, err
}

// authenticate returns the grant of who signed the request.
func (s *STS) authenticate(r *http.Request, body []byte) (authority.Grant, *stsError) {
	var none authority.Grant
	sig, ok := parseSignature(r.Header.Get("Authorization"))
	if !ok || !sig.covers(r.Header) {
		return none, &stsError{http.StatusBadRequest, "IncompleteSignature", "The request signature does not conform to Aliyun standards."}
	}
	g, ok := s.opt.Authority.Lookup(sig.accessKeyID)
	if !ok {
		return none, &stsError{http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	}
	if fail := checkToken(g, r.Header.Get("X-Acs-Security-Token"), s.opt.Authority.Now()); fail != nil {
		return none, fail
	}
	at, err := time.Parse(stampFormat, r.Header.Get("X-Acs-Date"))
	if err != nil {
		return none, &stsError{http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."}
	}
	now := s.opt.Authority.Now()
	if d := now.Sub(at); d > maxSkew || d < -maxSkew {
		return none, &stsError{http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."}
	}
	if !sig.verify(r, body, g.AccessKeySecret) {
		return none, &stsError{http.StatusBadRequest, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."}
	}
	return g, s.useNonce(sig.accessKeyID+" "+r.Header.Get("X-Acs-Signature-Nonce"), now)
}

// checkToken compares the session token of a request with that of its grant.
func checkToken(g authority.Grant, token string, now time.Time) *stsError {
	switch {
	case !g.Temporary() && token == "":
		return nil
	case token == "":
		return &stsError{http.StatusBadRequest, "MissingSecurityToken", "SecurityToken is mandatory for this action."}
	case !strings.HasPrefix(token, "CAIS"):
		return &stsError{http.StatusBadRequest, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."}
	case token != g.SecurityToken:
		return &stsError{http.StatusBadRequest, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey."}
	case g.Expired(now):
		return &stsError{http.StatusBadRequest, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."}
	}
	return nil
}

// useNonce refuses a nonce that was used before. It remembers one for as long
// as the time of a request with it may pass.
func (s *STS) useNonce(nonce string, now time.Time) *stsError {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, end := range s.nonces {
		if now.After(end) {
			delete(s.nonces, n)
		}
	}
	if _, used := s.nonces[nonce]; used || strings.HasSuffix(nonce, " ") {
		return &stsError{http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already."}
	}
	s.nonces[nonce] = now.Add(2 * maxSkew)
	return nil
}
