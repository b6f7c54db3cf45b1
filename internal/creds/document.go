package creds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	maxLifetime = 12 * time.Hour // no role credential lives longer
	maxKey      = 256            // bytes of a key id or secret
	maxSTSToken = 32 << 10       // bytes; STS promises no limit
)

// A document is a JSON object of which every key is there once.
type document map[string]json.RawMessage

// parseDocument is stricter than encoding/json, which takes the last of two
// equal keys and matches them whatever their case.
func parseDocument(body []byte) (document, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	doc := document{}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, errors.New("not JSON")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("not JSON")
		}
		if _, twice := doc[key]; twice {
			return nil, errors.New("a key is there twice")
		}
		doc[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("not JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return doc, nil
}

// str returns the string at key; the error names the key, not the value.
func (d document) str(key string) (string, error) {
	raw, there := d[key]
	if !there {
		return "", fmt.Errorf("%s is missing", key)
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("%s is not a string", key)
	}
	return *s, nil
}

// token returns the string at key when it is 1 to limit visible characters.
func (d document) token(key string, limit int) (string, error) {
	s, err := d.str(key)
	if err == nil && !isPrintable(s, limit) {
		err = fmt.Errorf("%s is malformed", key)
	}
	return s, err
}

// keys reads the four members that every STS credential has. It may last up to
// limit.
func (d document) keys(now time.Time, limit time.Duration) (*grant, error) {
	id, err1 := d.token("AccessKeyId", maxKey)
	secret, err2 := d.token("AccessKeySecret", maxKey)
	token, err3 := d.token("SecurityToken", maxSTSToken)
	expires, err4 := d.token("Expiration", 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, failf(BadResponse, "read credential: %w", oneLine(err))
	}
	end, err := time.Parse(time.RFC3339, expires)
	if err != nil {
		return nil, failf(BadResponse, "read credential: Expiration is not a time")
	}
	g := &grant{id: id, secret: NewSecret(secret), token: NewSecret(token), expires: end.UTC(), fetched: now}
	return g, checkLifetime(g, now, limit)
}

// checkLifetime refuses what has ended and what would last longer than any
// credential does. Either way it may be the clock that is wrong.
func checkLifetime(g *grant, now time.Time, limit time.Duration) error {
	left := g.expires.Sub(now)
	var e *Error
	switch {
	case left <= 0:
		e = failf(Expired, "read credential: it ended %v ago by this machine's clock", (-left).Round(time.Second))
	case left > limit:
		e = failf(BadResponse, "read credential: it ends in %v by this machine's clock, and none lasts over %v", left.Round(time.Second), limit)
	default:
		return nil
	}
	e.Hint = "check the machine's clock (timedatectl, w32tm /query /status)"
	return e
}

// parseCredential reads the metadata service's answer about a role.
func parseCredential(body []byte, role string, now time.Time) (*grant, error) {
	doc, err := parseDocument(body)
	if err != nil {
		return nil, failf(BadResponse, "read credential: %w", err)
	}
	code, err := doc.token("Code", 64)
	if err != nil {
		return nil, failf(BadResponse, "read credential: %w", err)
	}
	if !strings.EqualFold(code, "Success") {
		return nil, failf(BadResponse, "read credential of role %s: the service reports %s", role, safeCode(code))
	}
	g, err := doc.keys(now, maxLifetime)
	if err != nil {
		return nil, err
	}
	g.role = role
	return g, nil
}

// parseIdentity reads the instance identity document.
func parseIdentity(body []byte) (Identity, error) {
	doc, err := parseDocument(body)
	if err != nil {
		return Identity{}, failf(BadResponse, "read identity document: %w", err)
	}
	var id Identity
	var errs []error
	for _, f := range []struct {
		key string
		to  *string
	}{
		{"instance-id", &id.InstanceID},
		{"region-id", &id.Region},
		{"zone-id", &id.Zone},
		{"owner-account-id", &id.AccountID},
	} {
		s, err := doc.str(f.key)
		if err == nil && !isName(s, 64, ".-_") {
			err = fmt.Errorf("%s is malformed", f.key)
		}
		*f.to = s
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return Identity{}, failf(BadResponse, "read identity document: %w", oneLine(err))
	}
	return id, nil
}

// oneLine joins the lines of a joined error.
func oneLine(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", ", "))
}

// safeCode returns an error code if it looks like one, lest a server's text
// get into logs. No code of STS has a digit in it; a key or a token has.
func safeCode(s string) string {
	if isName(s, 64, "._-") && !strings.ContainsAny(s, "0123456789") {
		return s
	}
	return "an error"
}
