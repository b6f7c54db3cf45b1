package creds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	tokenPath    = "/latest/api/token"
	rolePath     = "/latest/meta-data/ram/security-credentials/"
	documentPath = "/latest/dynamic/instance-identity/document"

	tokenHeader    = "X-aliyun-ecs-metadata-token"
	tokenTTLHeader = "X-aliyun-ecs-metadata-token-ttl-seconds"
	tokenTTL       = time.Minute // of a token that serves one refresh and is forgotten
	maxToken       = 2048        // bytes
)

// errNotFound is a 404 of an item of the metadata service.
var errNotFound = errors.New("answered 404 Not Found")

// metadata is a client of the metadata service, in hardened mode only.
type metadata struct {
	base string // without a slash at its end
	http *http.Client
	clk  *clock
}

func newMetadata(opt *Options, clk *clock) *metadata {
	allowed := func(a netip.Addr) bool { return a.String() == metadataAddress || a.IsLoopback() }
	return &metadata{
		base: strings.TrimRight(opt.Endpoint, "/"),
		http: newClient(allowed, opt.dial),
		clk:  clk,
	}
}

func (m *metadata) do(ctx context.Context, method, path, header, value string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, nil)
	if err != nil {
		return nil, failf(Misconfigured, "%s %s: %w", method, m.base, err)
	}
	req.Header.Set(header, value)
	sent := m.clk.wall()
	a, err := roundTrip(m.http, req, ok)
	if e, unreachable := errors.AsType[*Error](err); unreachable && e.Kind == Unreachable {
		e.Hint = m.unreachable()
	}
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusOK && looksLikeHTML(a.body) {
		return nil, failf(NotMetadata, "%s %s: answered with a web page", method, m.base+path)
	}
	if a.status < 300 || a.status >= 400 {
		m.clk.header(a.header, sent)
	}
	return a, nil
}

// unreachable says what to look at when the service does not answer.
func (m *metadata) unreachable() string {
	if m.base != DefaultEndpoint {
		return "is a metadata service running at " + m.base + ", as credentials.metadata_endpoint says?"
	}
	if name := productName(); name != "" && !strings.Contains(name, "Alibaba Cloud ECS") {
		return fmt.Sprintf("this machine is a %q: osssync works on Alibaba Cloud ECS instances only", name)
	}
	return hints[Unreachable]
}

// A session is a token and what is asked with it. It is for one goroutine at a
// time, and for one refresh unless a lookout keeps it.
type session struct {
	m       *metadata
	ttl     time.Duration // of the token
	token   Secret
	renewed bool
}

// open asks for a token.
func (m *metadata) open(ctx context.Context) (*session, error) {
	s := &session{m: m, ttl: tokenTTL}
	return s, s.renew(ctx)
}

func (s *session) renew(ctx context.Context) error {
	ttl := strconv.Itoa(int(s.ttl / time.Second))
	a, err := s.m.do(ctx, http.MethodPut, tokenPath, tokenTTLHeader, ttl)
	if err != nil {
		return err
	}
	what := "get token from " + s.m.base
	switch a.status {
	case http.StatusOK:
		token := strings.TrimSpace(string(a.body))
		if !isPrintable(token, maxToken) {
			return failf(BadResponse, "%s: the answer is not a token", what)
		}
		s.token = NewSecret(token)
		return nil
	case http.StatusForbidden:
		return failf(Disabled, "%s: the service is disabled, or a proxy forwards the request (403 Forbidden)", what)
	case http.StatusBadRequest:
		return failf(Refused, "%s: the lifetime of %s seconds was refused (400 Bad Request; 1 to 21600 are allowed)", what, ttl)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return failf(NotMetadata, "%s: hardened mode is not offered there (%d %s), and the other is never used",
			what, a.status, http.StatusText(a.status))
	}
	return statusError(what, a.status)
}

// get asks for an item; the error wraps errNotFound when there is none. A
// token that is refused is replaced once in a session.
func (s *session) get(ctx context.Context, path string) ([]byte, error) {
	for {
		a, err := s.m.do(ctx, http.MethodGet, path, tokenHeader, s.token.Reveal())
		if err != nil {
			return nil, err
		}
		switch {
		case a.status == http.StatusOK:
			return a.body, nil
		case a.status == http.StatusNotFound:
			return nil, failf(BadResponse, "get %s: %w", s.m.base+path, errNotFound)
		case a.status == http.StatusUnauthorized && !s.renewed:
			s.renewed = true
			if err := s.renew(ctx); err != nil {
				return nil, err
			}
		default:
			return nil, statusError("get "+s.m.base+path, a.status)
		}
	}
}

// role asks for the name of the attached role.
func (s *session) role(ctx context.Context) (string, error) {
	body, err := s.get(ctx, rolePath)
	if errors.Is(err, errNotFound) {
		return "", failf(NoRole, "get role: no RAM role is attached to this instance")
	} else if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	role := strings.TrimSpace(string(line))
	if role == "" {
		return "", failf(NoRole, "get role: no RAM role is attached to this instance (the list is empty)")
	}
	if !isRoleName(role) {
		return "", failf(BadResponse, "get role: the answer is not a role's name")
	}
	return role, nil
}

// credential asks for the credential of a role.
func (s *session) credential(ctx context.Context, role string) (*grant, error) {
	body, err := s.get(ctx, rolePath+url.PathEscape(role))
	if err != nil {
		return nil, err
	}
	return parseCredential(body, role, s.m.clk.now())
}

// identity asks which instance this is.
func (s *session) identity(ctx context.Context) (Identity, error) {
	body, err := s.get(ctx, documentPath)
	if err != nil {
		return Identity{}, err
	}
	return parseIdentity(body)
}

// looksLikeHTML: no answer of the metadata service begins with a tag.
func looksLikeHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// isPrintable reports whether s is 1 to limit visible ASCII characters.
func isPrintable(s string, limit int) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= limit
}
