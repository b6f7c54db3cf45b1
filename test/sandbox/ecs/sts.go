package ecs

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// The actions of STS that are served, as [Fault] and [Request] name them.
const (
	OpAssumeRole        = "AssumeRole"
	OpGetCallerIdentity = "GetCallerIdentity"
)

// A Role is one that may be assumed.
type Role struct {
	Name       string
	Trust      []string      // names of the roles that may assume it; nil means everyone in the account
	ExternalID string        // demanded of the caller; "" means none is
	MaxSession time.Duration // longest session; 0 means an hour
}

// STSOptions describe the account.
type STSOptions struct {
	Authority  *authority.Authority // knows the callers and issues the sessions; required
	AccountID  string               // "" means that of Options
	InstanceID string               // whose role's sessions are named after; "" means that of Options
	Roles      []Role               // that may be assumed

	// Lifetime is that of a session whatever was asked for, so that a test
	// need not wait the 15 minutes that a session lasts at least. 0 means as asked.
	Lifetime time.Duration
}

// STS issues sessions. All methods may be called concurrently, and while it
// serves.
type STS struct {
	opt    STSOptions
	faults Faults
	log    Log

	mu       sync.Mutex
	roles    map[string]Role
	sessions map[string]string    // access key id of a session to its name
	nonces   map[string]time.Time // seen, to when they may be forgotten
}

// NewSTS returns the STS of an account. It panics without an Authority.
func NewSTS(opt STSOptions) *STS {
	if opt.Authority == nil {
		panic("ecs: STSOptions without an Authority")
	}
	d := Options{AccountID: opt.AccountID, InstanceID: opt.InstanceID}.withDefaults()
	opt.AccountID, opt.InstanceID = d.AccountID, d.InstanceID
	s := &STS{
		opt:      opt,
		roles:    make(map[string]Role),
		sessions: make(map[string]string),
		nonces:   make(map[string]time.Time),
	}
	for _, r := range opt.Roles {
		s.SetRole(r)
	}
	return s
}

// Faults returns what goes wrong; at first, nothing.
func (s *STS) Faults() *Faults { return &s.faults }

// Requests returns the log.
func (s *STS) Requests() *Log { return &s.log }

// SetRole adds a role, or replaces the one of that name.
func (s *STS) SetRole(r Role) {
	if r.MaxSession == 0 {
		r.MaxSession = time.Hour
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[r.Name] = r
}

// ARN returns the name by which a role of the account is assumed.
func (s *STS) ARN(role string) string { return "acs:ram::" + s.opt.AccountID + ":role/" + role }

// ServeHTTP implements [http.Handler].
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := r.Header.Get("X-Acs-Action")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	id := requestID()
	page := func(status int) answer {
		return stsError{status, "InternalError", "The request processing has failed due to some unknown error."}.answer(id)
	}
	serve(w, r, op, s.opt.Authority.Now(), &s.faults, &s.log, page, func(Fault) answer {
		if err != nil {
			return stsError{http.StatusRequestEntityTooLarge, "RequestTooLarge", err.Error()}.answer(id)
		}
		v, fail := s.do(r, body)
		if fail != nil {
			return fail.answer(id)
		}
		v["RequestId"] = id
		return jsonAnswer(http.StatusOK, v)
	})
}

// do checks the request and carries it out.
func (s *STS) do(r *http.Request, body []byte) (map[string]any, *stsError) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, &stsError{http.StatusMethodNotAllowed, "UnsupportedHTTPMethod", "This http method is not supported."}
	}
	caller, fail := s.authenticate(r, body)
	if fail != nil {
		return nil, fail
	}
	if v := r.Header.Get("X-Acs-Version"); v != "2015-04-01" {
		return nil, &stsError{http.StatusBadRequest, "InvalidVersion", "Specified parameter Version is not valid."}
	}
	p, err := params(r, body)
	if err != nil {
		return nil, &stsError{http.StatusBadRequest, "InvalidParameter", err.Error()}
	}
	switch r.Header.Get("X-Acs-Action") {
	case OpAssumeRole:
		return s.assumeRole(caller, p)
	case OpGetCallerIdentity:
		return s.callerIdentity(caller), nil
	}
	return nil, &stsError{http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."}
}

// assumeRole carries out AssumeRole.
func (s *STS) assumeRole(caller authority.Grant, p url.Values) (map[string]any, *stsError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	role, d, fail := s.checkAssume(caller, p)
	if fail != nil {
		return nil, fail
	}
	if s.opt.Lifetime > 0 {
		d = s.opt.Lifetime
	}
	g := s.opt.Authority.IssueFor(role.Name, d)
	session := p.Get("RoleSessionName")
	for id := range s.sessions {
		if _, ok := s.opt.Authority.Lookup(id); !ok {
			delete(s.sessions, id)
		}
	}
	s.sessions[g.AccessKeyID] = session
	return map[string]any{
		"AssumedRoleUser": map[string]string{
			"Arn":           s.ARN(role.Name) + "/" + session,
			"AssumedRoleId": s.roleID(role.Name) + ":" + session,
		},
		"Credentials": map[string]string{
			"AccessKeyId":     g.AccessKeyID,
			"AccessKeySecret": g.AccessKeySecret,
			"SecurityToken":   g.SecurityToken,
			"Expiration":      stamp(g.Expires),
		},
	}, nil
}

// callerIdentity carries out GetCallerIdentity.
func (s *STS) callerIdentity(g authority.Grant) map[string]any {
	if !g.Temporary() {
		id := s.roleID(g.AccessKeyID)
		return map[string]any{
			"AccountId": s.opt.AccountID, "Arn": "acs:ram::" + s.opt.AccountID + ":user/sandbox",
			"IdentityType": "RAMUser", "PrincipalId": id, "UserId": id,
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.sessions[g.AccessKeyID]
	if !ok { // it is the instance's own
		session = "vm-ram-" + s.opt.InstanceID
	}
	id := s.roleID(g.Role)
	return map[string]any{
		"AccountId":    s.opt.AccountID,
		"Arn":          "acs:ram::" + s.opt.AccountID + ":assumed-role/" + g.Role + "/" + session,
		"IdentityType": "AssumedRoleUser",
		"PrincipalId":  id + ":" + session,
		"RoleId":       id,
	}
}

// roleID returns the number of a role, always the same for a name.
func (s *STS) roleID(name string) string {
	h := fnv.New64a()
	io.WriteString(h, s.opt.AccountID+"/"+name)
	return "3" + fmt.Sprintf("%017d", h.Sum64()%1e17)
}
