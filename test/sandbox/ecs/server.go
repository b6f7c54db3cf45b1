// Package ecs serves what an ECS instance asks besides OSS: its metadata
// service and STS.
//
// [Server] is the metadata service of one instance with one RAM role, or none.
// [STS] answers AssumeRole and GetCallerIdentity. Both are plain http.Handlers
// that start nothing, keep everything in memory and read the clock of the
// [authority.Authority] they are given, so that a test may run hours in a
// moment.
//
// # What is faithful
//
// Session tokens have a life of 1 to 21,600 seconds and are refused to requests
// that a proxy forwarded. A request without one is refused unless Mode is
// [Optional]. Errors are XHTML pages. The role's credential stays the same
// until a twelfth of its life is left, 30 minutes of six hours; then the next
// one appears, and both are good until each ends by itself. The role may be
// attached, swapped and detached at any time, which ends no credential.
//
// STS verifies ACS3-HMAC-SHA256 signatures over the request as it came, refuses
// a nonce that it saw and a time more than 15 minutes off, and checks the
// session token, the role's trust and every parameter.
//
// # What is not
//
// The signature of the identity document (pkcs7) and user data are not there.
// Nothing limits the rate of requests. Where the documentation does not say what
// the real service answers, the answer here is the one that its public clients
// expect: 403 for a request without a token, and for everything when the
// service is off. STS takes plain http, and a policy given to AssumeRole is
// checked for its grammar but binds nobody.
package ecs

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// The headers of the session token protocol.
const (
	TokenHeader = "X-Aliyun-Ecs-Metadata-Token"
	TTLHeader   = "X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds"
)

// maxTTL is the longest life of a session token, in seconds.
const maxTTL = 21600

// The operations of the metadata service, as [Fault] and [Request] name them.
const (
	OpToken       = "token"       // PUT /latest/api/token
	OpRole        = "role"        // the role's name
	OpCredentials = "credentials" // the role's credential
	OpDocument    = "document"    // the instance identity document
	OpItem        = "item"        // anything else
)

// A Mode says who is answered.
type Mode string

// The modes of the real service.
const (
	Hardened Mode = "required" // only who brings a session token; the default
	Optional Mode = "optional" // a token is not needed, but a wrong one is refused
	Disabled Mode = "disabled" // nobody
)

// Options describe the instance. What is left empty gets a plausible value.
type Options struct {
	Authority  *authority.Authority // issues the credentials and has the clock; required
	Role       string               // attached at the start; "" means none
	Mode       Mode                 // "" means Hardened
	InstanceID string
	Region     string // "" means "cn-hangzhou"
	Zone       string // "" means "-i" after the region
	AccountID  string
	Serial     string        // the machine's serial number
	Overlap    time.Duration // how long before the end of a credential the next one appears; 0 means a twelfth of its life
}

// withDefaults fills in what was left empty.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.InstanceID, "i-bp1sandbox0000000001"},
		{&o.Region, "cn-hangzhou"},
		{&o.AccountID, "1234567890123456"},
		{&o.Serial, "4acd2b47-b328-4762-852f-7d4f7a7b1c2e"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if o.Zone == "" {
		o.Zone = o.Region + "-i"
	}
	if o.Mode == "" {
		o.Mode = Hardened
	}
	return o
}

// A Server is the metadata service of one instance. All methods may be called
// concurrently, and while it serves.
type Server struct {
	opt    Options
	faults Faults
	log    Log

	mu     sync.Mutex
	mode   Mode
	role   string
	spot   time.Time            // zero: no end is set
	tokens map[string]time.Time // session token to its end
	issued map[string]grants    // by role name
}

// New returns the metadata service of an instance. It panics without an
// Authority.
func New(opt Options) *Server {
	if opt.Authority == nil {
		panic("ecs: Options without an Authority")
	}
	opt = opt.withDefaults()
	return &Server{
		opt:    opt,
		mode:   opt.Mode,
		role:   opt.Role,
		tokens: make(map[string]time.Time),
		issued: make(map[string]grants),
	}
}

// Faults returns what goes wrong; at first, nothing.
func (s *Server) Faults() *Faults { return &s.faults }

// Requests returns the log.
func (s *Server) Requests() *Log { return &s.log }

// Options returns what the server was made with, defaults filled in.
func (s *Server) Options() Options { return s.opt }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := operation(r.URL.Path)
	serve(w, r, op, s.opt.Authority.Now(), &s.faults, &s.log, htmlPage, func(f Fault) answer {
		if op == OpToken {
			return s.token(r)
		}
		return s.get(r, f)
	})
}

// operation tells what a path asks for.
func operation(path string) string {
	if path == "/latest/api/token" {
		return OpToken
	}
	item, ok := strings.CutPrefix(trimVersion(path), "meta-data/ram/security-credentials")
	switch {
	case ok && strings.Trim(item, "/") == "":
		return OpRole
	case ok && item[0] == '/':
		return OpCredentials
	case trimVersion(path) == "dynamic/instance-identity/document":
		return OpDocument
	}
	return OpItem
}

// trimVersion cuts the version of the interface off a path; a path without one
// is that of no item. Old documents spell the directory of roles "Ram", and the
// service takes that as well.
func trimVersion(path string) string {
	for _, version := range []string{"/latest/", "/2016-01-01/"} {
		if rest, ok := strings.CutPrefix(path, version); ok {
			if role, ok := strings.CutPrefix(rest, "meta-data/Ram/"); ok {
				return "meta-data/ram/" + role
			}
			return rest
		}
	}
	return path
}

// token answers a request for a session token.
func (s *Server) token(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == Disabled {
		return htmlPage(http.StatusForbidden)
	}
	if r.Method != http.MethodPut {
		return htmlPage(http.StatusMethodNotAllowed)
	}
	if r.Header.Get("X-Forwarded-For") != "" {
		return htmlPage(http.StatusForbidden)
	}
	ttl, err := strconv.Atoi(strings.TrimSpace(r.Header.Get(TTLHeader)))
	if err != nil || ttl < 1 || ttl > maxTTL {
		return htmlPage(http.StatusBadRequest)
	}
	now := s.opt.Authority.Now()
	for t, end := range s.tokens {
		if !now.Before(end) {
			delete(s.tokens, t)
		}
	}
	b := make([]byte, 42)
	rand.Read(b) // never fails
	token := base64.StdEncoding.EncodeToString(b)
	s.tokens[token] = now.Add(time.Duration(ttl) * time.Second)
	return text(token)
}

// get answers a request for an item, of which the caller must be found worthy.
func (s *Server) get(r *http.Request, f Fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status := s.admit(r); status != http.StatusOK {
		return htmlPage(status)
	}
	path := trimVersion(r.URL.Path)
	if strings.HasPrefix(path, "meta-data/ram/") {
		return s.roleItem(path, f)
	}
	if body, ok := s.item(path); ok {
		return text(body)
	}
	return htmlPage(http.StatusNotFound)
}

// admit returns the status that refuses a request for an item, or 200.
func (s *Server) admit(r *http.Request) int {
	token := r.Header.Get(TokenHeader)
	end, known := s.tokens[token]
	switch {
	case s.mode == Disabled:
		return http.StatusForbidden
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed
	case token == "" && s.mode == Hardened:
		return http.StatusForbidden
	case token != "" && (!known || !s.opt.Authority.Now().Before(end)):
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

// SetMode changes who is answered from now on.
func (s *Server) SetMode(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
}

// ExpireTokens ends every session token at once.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// SetSpotTermination sets the time at which a spot instance is to be taken
// away. Zero, as at first, means that none is set, which is a 404.
func (s *Server) SetSpotTermination(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spot = t
}
