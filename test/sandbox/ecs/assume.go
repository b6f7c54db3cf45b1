package ecs

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// maxExternalID is the greatest length of an ExternalId.
const maxExternalID = 1224

// The length of a session by AssumeRole.
const (
	minSession     = 15 * time.Minute
	defaultSession = time.Hour
	maxSession     = 12 * time.Hour
)

// The forms that parameters of AssumeRole must have.
var (
	roleARN     = regexp.MustCompile(`^acs:ram::([0-9]+):role/([A-Za-z0-9.@_/-]{1,64})$`)
	sessionName = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[A-Za-z0-9+=,.@:/_-]{2,}$`)
)

// checkAssume checks the parameters of AssumeRole, and then whether the caller
// may. It returns the role and how long the session is to be. s.mu is held.
func (s *STS) checkAssume(caller authority.Grant, p url.Values) (Role, time.Duration, *stsError) {
	if fail := checkParams(p); fail != nil {
		return Role{}, 0, fail
	}
	arn := roleARN.FindStringSubmatch(p.Get("RoleArn"))
	role, ok := s.roles[arn[2]]
	if !ok || arn[1] != s.opt.AccountID {
		return Role{}, 0, &stsError{http.StatusNotFound, "EntityNotExist.Role", "The role not exists: " + arn[0]}
	}
	trusted := role.Trust == nil || slices.Contains(role.Trust, caller.Role)
	if !trusted || role.ExternalID != "" && role.ExternalID != p.Get("ExternalId") {
		return Role{}, 0, &stsError{http.StatusForbidden, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."}
	}
	d, err := seconds(p.Get("DurationSeconds"), min(defaultSession, role.MaxSession))
	if err != nil || d < minSession || d > min(role.MaxSession, maxSession) {
		return Role{}, 0, invalid("DurationSeconds", "The Min/Max value of DurationSeconds is 15min/"+role.MaxSession.String()+".")
	}
	return role, d, nil
}

// checkParams checks the form of the parameters.
func checkParams(p url.Values) *stsError {
	for _, name := range []string{"RoleArn", "RoleSessionName"} {
		if p.Get(name) == "" {
			return &stsError{http.StatusBadRequest, "Missing" + name, name + " is mandatory for this action."}
		}
	}
	for _, c := range []struct {
		name string
		form *regexp.Regexp
	}{
		{"RoleArn", roleARN},
		{"RoleSessionName", sessionName},
		{"ExternalId", externalID},
		{"SourceIdentity", sessionName},
	} {
		if p.Has(c.name) && !c.form.MatchString(p.Get(c.name)) {
			return invalid(c.name, "The parameter "+c.name+" is wrongly formed.")
		}
	}
	if len(p.Get("ExternalId")) > maxExternalID {
		return invalid("ExternalId", "The parameter ExternalId is too long.")
	}
	if p.Has("Policy") {
		return checkPolicy(p.Get("Policy"))
	}
	return nil
}

// checkPolicy checks the grammar of a session policy.
func checkPolicy(policy string) *stsError {
	if n := len([]rune(policy)); n < 1 || n > 2048 {
		return invalid("PolicySize", "The length of the parameter Policy must be 1 to 2048 characters.")
	}
	var p struct {
		Version   string
		Statement []struct {
			Effect           string
			Action, Resource any
		}
	}
	bad := json.Unmarshal([]byte(policy), &p) != nil || p.Version != "1" || len(p.Statement) == 0
	for _, st := range p.Statement {
		bad = bad || st.Effect != "Allow" && st.Effect != "Deny" || st.Action == nil || st.Resource == nil
	}
	if bad {
		return invalid("PolicyGrammar", "The parameter Policy has not passed grammar check.")
	}
	return nil
}

func invalid(name, message string) *stsError {
	return &stsError{http.StatusBadRequest, "InvalidParameter." + name, message}
}

// seconds reads a number of seconds, or def where there is none.
func seconds(s string, def time.Duration) (time.Duration, error) {
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return time.Duration(n) * time.Second, err
}
