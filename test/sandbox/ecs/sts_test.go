package ecs_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/ecs"
)

const targetARN = "acs:ram::1234567890123456:role/target"

// A call is a request to STS, right unless a test bends it.
type call struct {
	action, version, nonce string
	at                     time.Time
	id, secret, token      string
	query, form            url.Values
	bend                   func(*http.Request) // after signing
}

// newCall returns a call by a grant, which holds now.
func newCall(g authority.Grant, action string, query url.Values) call {
	return call{
		action: action, version: "2015-04-01", nonce: rand.Text(), at: time.Now(),
		id: g.AccessKeyID, secret: g.AccessKeySecret, token: g.SecurityToken, query: query,
	}
}

// assume returns the parameters of AssumeRole, with more given as name, value, …
// An empty value drops a parameter.
func assume(more ...string) url.Values {
	q := url.Values{"RoleArn": {targetARN}, "RoleSessionName": {"osssync-i-1"}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
		if more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return q
}

// request signs the call.
func (c call) request() *http.Request {
	body := c.form.Encode()
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	r := httptest.NewRequest("POST", "http://sts-vpc.cn-hangzhou.aliyuncs.com/?"+c.query.Encode(), strings.NewReader(body))
	names := "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
	head := fmt.Sprintf("host:%s\nx-acs-action:%s\nx-acs-content-sha256:%s\nx-acs-date:%s\n", r.Host, c.action, hash, c.at.UTC().Format("2006-01-02T15:04:05Z"))
	if c.form != nil {
		names = "content-type;" + names
		head = "content-type:application/x-www-form-urlencoded\n" + head
	}
	if c.token != "" {
		names = strings.Replace(names, "x-acs-signature", "x-acs-security-token;x-acs-signature", 1)
		head += "x-acs-security-token:" + c.token + "\n"
	}
	head += "x-acs-signature-nonce:" + c.nonce + "\nx-acs-version:" + c.version + "\n"
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name != "host" {
			r.Header.Set(name, value)
		}
	}
	query := strings.ReplaceAll(c.query.Encode(), "+", "%20")
	sum = sha256.Sum256([]byte("POST\n/\n" + query + "\n" + head + "\n" + names + "\n" + hash))
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hex.EncodeToString(sum[:])))
	r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+c.id+",SignedHeaders="+names+",Signature="+hex.EncodeToString(mac.Sum(nil)))
	if c.bend != nil {
		c.bend(r)
	}
	return r
}

// An stsAnswer is any of the answers of STS.
type stsAnswer struct {
	RequestId, Code, Message, HostId                        string
	AccountId, Arn, IdentityType, PrincipalId, RoleId, User string
	AssumedRoleUser                                         struct{ Arn, AssumedRoleId string }
	Credentials                                             struct{ AccessKeyId, AccessKeySecret, SecurityToken, Expiration string }
}

func (c call) do(t *testing.T, s *ecs.STS) (int, stsAnswer) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, c.request())
	var a stsAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %d %v %q", c.action, w.Code, err, w.Body)
	}
	if a.RequestId == "" {
		t.Errorf("%s: no RequestId in %s", c.action, w.Body)
	}
	return w.Code, a
}

// newSTS returns an STS with the roles of the tests, and a caller in role
// "writer".
func newSTS(opt ecs.STSOptions) (*ecs.STS, *authority.Authority, authority.Grant) {
	opt.Authority = authority.New(authority.Options{})
	opt.Roles = []ecs.Role{
		{Name: "target"},
		{Name: "long", MaxSession: 12 * time.Hour},
		{Name: "secret", ExternalID: "shibboleth"},
		{Name: "private", Trust: []string{"reader"}},
	}
	return ecs.NewSTS(opt), opt.Authority, opt.Authority.Issue("writer")
}

func TestAssumeRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, parent := newSTS(ecs.STSOptions{})
		policy := `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:PutObject"],"Resource":["*"]}]}`
		status, got := newCall(parent, "AssumeRole", assume("DurationSeconds", "900", "Policy", policy)).do(t, s)
		if status != 200 || got.Code != "" {
			t.Fatalf("%d %+v", status, got)
		}
		if got.AssumedRoleUser.Arn != targetARN+"/osssync-i-1" || !strings.HasSuffix(got.AssumedRoleUser.AssumedRoleId, ":osssync-i-1") {
			t.Errorf("assumed %+v", got.AssumedRoleUser)
		}
		g, ok := a.Lookup(got.Credentials.AccessKeyId)
		if !ok || g.Role != "target" || g.AccessKeySecret != got.Credentials.AccessKeySecret || g.SecurityToken != got.Credentials.SecurityToken {
			t.Fatalf("the authority knows %+v", g)
		}
		if end, err := time.Parse(time.RFC3339, got.Credentials.Expiration); err != nil || !end.Equal(g.Expires) || end.Sub(g.Issued) != 15*time.Minute {
			t.Errorf("it ends %v, %v", got.Credentials.Expiration, err)
		}

		// The child lives on its own, and may go on to another role.
		time.Sleep(15*time.Minute - time.Nanosecond)
		a.Revoke(parent.AccessKeyID)
		status, who := newCall(g, "GetCallerIdentity", nil).do(t, s)
		if status != 200 || who.Arn != "acs:ram::1234567890123456:assumed-role/target/osssync-i-1" {
			t.Errorf("%d %+v", status, who)
		}
		time.Sleep(time.Nanosecond)
		if status, who := newCall(g, "GetCallerIdentity", nil).do(t, s); who.Code != "InvalidSecurityToken.Expired" {
			t.Errorf("after its end: %d %+v", status, who)
		}
	})
}

func TestAssumeRoleByForm(t *testing.T) {
	s, _, parent := newSTS(ecs.STSOptions{Lifetime: time.Minute})
	c := newCall(parent, "AssumeRole", nil)
	c.form = assume("DurationSeconds", "3600")
	status, got := c.do(t, s)
	end, err := time.Parse(time.RFC3339, got.Credentials.Expiration)
	if status != 200 || err != nil || time.Until(end) > 62*time.Second {
		t.Errorf("%d, ends %v, want a session of a minute: %+v", status, end, got)
	}
	c.nonce = rand.Text()
	c.bend = func(r *http.Request) { r.Body = http.NoBody }
	if status, got := c.do(t, s); got.Code != "SignatureDoesNotMatch" {
		t.Errorf("without the body that was signed: %d %+v", status, got)
	}
}

func TestCallerIdentity(t *testing.T) {
	s, a, parent := newSTS(ecs.STSOptions{InstanceID: "i-1", AccountID: "42"})
	_, got := newCall(parent, "GetCallerIdentity", nil).do(t, s)
	if got.AccountId != "42" || got.IdentityType != "AssumedRoleUser" ||
		got.Arn != "acs:ram::42:assumed-role/writer/vm-ram-i-1" || got.PrincipalId != got.RoleId+":vm-ram-i-1" {
		t.Errorf("the instance is %+v", got)
	}
	_, got = newCall(a.AddStatic("id", "secret"), "GetCallerIdentity", nil).do(t, s)
	if got.IdentityType != "RAMUser" || got.RoleId != "" || got.AccountId != "42" {
		t.Errorf("a user is %+v", got)
	}
}

// TestSTSRefusals has one thing wrong with each call.
func TestSTSRefusals(t *testing.T) {
	s, a, parent := newSTS(ecs.STSOptions{})
	other := a.Issue("writer")
	gone := a.Issue("writer")
	a.Expire(gone.AccessKeyID)
	unknown := parent
	unknown.AccessKeyID = "STS.unknown"
	for _, c := range []struct {
		name   string
		as     authority.Grant
		query  url.Values
		bend   func(*call)
		status int
		code   string
	}{
		{"good", parent, assume(), nil, 200, ""},
		{"unknown key", unknown, assume(), nil, 404, "InvalidAccessKeyId.NotFound"},
		{"expired", gone, assume(), nil, 400, "InvalidSecurityToken.Expired"},
		{"no token", parent, assume(), func(c *call) { c.token = "" }, 400, "MissingSecurityToken"},
		{"token of another", parent, assume(), func(c *call) { c.token = other.SecurityToken }, 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"no such token", parent, assume(), func(c *call) { c.token = "x" }, 400, "InvalidSecurityToken.Malformed"},
		{"wrong secret", parent, assume(), func(c *call) { c.secret += "x" }, 400, "SignatureDoesNotMatch"},
		{"late", parent, assume(), func(c *call) { c.at = c.at.Add(-16 * time.Minute) }, 400, "InvalidTimeStamp.Expired"},
		{"early", parent, assume(), func(c *call) { c.at = c.at.Add(16 * time.Minute) }, 400, "InvalidTimeStamp.Expired"},
		{"off by 14 minutes", parent, assume(), func(c *call) { c.at = c.at.Add(-14 * time.Minute) }, 200, ""},
		{"no nonce", parent, assume(), func(c *call) { c.nonce = "" }, 400, "SignatureNonceUsed"},
		{"version", parent, assume(), func(c *call) { c.version = "2014-01-01" }, 400, "InvalidVersion"},
		{"action", parent, assume(), func(c *call) { c.action = "AssumeRoleWithSAML" }, 404, "InvalidAction.NotFound"},
		{"no ARN", parent, assume("RoleArn", ""), nil, 400, "MissingRoleArn"},
		{"no session", parent, assume("RoleSessionName", ""), nil, 400, "MissingRoleSessionName"},
		{"ARN of a user", parent, assume("RoleArn", "acs:ram::1234567890123456:user/u"), nil, 400, "InvalidParameter.RoleArn"},
		{"no such role", parent, assume("RoleArn", targetARN+"x"), nil, 404, "EntityNotExist.Role"},
		{"other account", parent, assume("RoleArn", "acs:ram::1:role/target"), nil, 404, "EntityNotExist.Role"},
		{"session of 1", parent, assume("RoleSessionName", "a"), nil, 400, "InvalidParameter.RoleSessionName"},
		{"session of 65", parent, assume("RoleSessionName", strings.Repeat("a", 65)), nil, 400, "InvalidParameter.RoleSessionName"},
		{"session of 64", parent, assume("RoleSessionName", strings.Repeat("a", 64)), nil, 200, ""},
		{"session with a space", parent, assume("RoleSessionName", "a b"), nil, 400, "InvalidParameter.RoleSessionName"},
		{"899 s", parent, assume("DurationSeconds", "899"), nil, 400, "InvalidParameter.DurationSeconds"},
		{"over an hour", parent, assume("DurationSeconds", "3601"), nil, 400, "InvalidParameter.DurationSeconds"},
		{"no number", parent, assume("DurationSeconds", "1h"), nil, 400, "InvalidParameter.DurationSeconds"},
		{"12 hours", parent, assume("RoleArn", "acs:ram::1234567890123456:role/long", "DurationSeconds", "43200"), nil, 200, ""},
		{"policy is no JSON", parent, assume("Policy", "x"), nil, 400, "InvalidParameter.PolicyGrammar"},
		{"policy without a version", parent, assume("Policy", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), nil, 400, "InvalidParameter.PolicyGrammar"},
		{"policy with no statement", parent, assume("Policy", `{"Version":"1","Statement":[]}`), nil, 400, "InvalidParameter.PolicyGrammar"},
		{"policy with an odd effect", parent, assume("Policy", `{"Version":"1","Statement":[{"Effect":"May","Action":"*","Resource":"*"}]}`), nil, 400, "InvalidParameter.PolicyGrammar"},
		{"policy too long", parent, assume("Policy", strings.Repeat("x", 2049)), nil, 400, "InvalidParameter.PolicySize"},
		{"no external id", parent, assume("RoleArn", "acs:ram::1234567890123456:role/secret"), nil, 403, "NoPermission"},
		{"external id", parent, assume("RoleArn", "acs:ram::1234567890123456:role/secret", "ExternalId", "shibboleth"), nil, 200, ""},
		{"wrong external id", parent, assume("RoleArn", "acs:ram::1234567890123456:role/secret", "ExternalId", "sibboleth"), nil, 403, "NoPermission"},
		{"malformed external id", parent, assume("ExternalId", "a b"), nil, 400, "InvalidParameter.ExternalId"},
		{"external id too long", parent, assume("ExternalId", strings.Repeat("a", 1225)), nil, 400, "InvalidParameter.ExternalId"},
		{"not trusted", parent, assume("RoleArn", "acs:ram::1234567890123456:role/private"), nil, 403, "NoPermission"},
		{"trusted", a.Issue("reader"), assume("RoleArn", "acs:ram::1234567890123456:role/private"), nil, 200, ""},
		{"unsigned header", parent, assume(), func(c *call) { c.bend = func(r *http.Request) { r.Header.Set("X-Acs-Trick", "1") } }, 400, "IncompleteSignature"},
		{"no signature", parent, assume(), func(c *call) { c.bend = func(r *http.Request) { r.Header.Del("Authorization") } }, 400, "IncompleteSignature"},
		{"changed query", parent, assume(), func(c *call) { c.bend = func(r *http.Request) { r.URL.RawQuery += "&DurationSeconds=1800" } }, 400, "SignatureDoesNotMatch"},
		{"changed body", parent, assume(), func(c *call) {
			c.bend = func(r *http.Request) { r.Header.Set("X-Acs-Content-Sha256", strings.Repeat("0", 64)) }
		}, 400, "SignatureDoesNotMatch"},
		{"method", parent, assume(), func(c *call) { c.bend = func(r *http.Request) { r.Method = "PUT" } }, 405, "UnsupportedHTTPMethod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := newCall(c.as, "AssumeRole", c.query)
			if c.bend != nil {
				c.bend(&call)
			}
			status, got := call.do(t, s)
			if status != c.status || got.Code != c.code {
				t.Errorf("%d %s (%s), want %d %s", status, got.Code, got.Message, c.status, c.code)
			}
			if c.code != "" && (got.Credentials.AccessKeyId != "" || got.Message == "" || got.HostId == "") {
				t.Errorf("refusal %+v", got)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, parent := newSTS(ecs.STSOptions{})
		c := newCall(parent, "AssumeRole", assume())
		if status, got := c.do(t, s); status != 200 {
			t.Fatalf("%d %+v", status, got)
		}
		if status, got := c.do(t, s); status != 400 || got.Code != "SignatureNonceUsed" {
			t.Errorf("again: %d %+v", status, got)
		}
		again := newCall(a.Issue("writer"), "AssumeRole", assume())
		again.nonce = c.nonce
		if status, got := again.do(t, s); status != 200 {
			t.Errorf("the same nonce by another key: %d %+v", status, got)
		}
		time.Sleep(31 * time.Minute)
		if _, got := c.do(t, s); got.Code != "InvalidTimeStamp.Expired" {
			t.Errorf("much later: %+v", got)
		}
	})
}

func TestSTSFaults(t *testing.T) {
	s, _, parent := newSTS(ecs.STSOptions{})
	s.Faults().Add(
		ecs.Fault{Op: ecs.OpAssumeRole, Count: 1, Status: 400, Body: `{"RequestId":"1","Code":"Throttling.User","Message":"Request was denied due to user flow control."}`},
		ecs.Fault{Op: ecs.OpAssumeRole, Count: 1, Status: 500},
	)
	var got []string
	for _, action := range []string{"GetCallerIdentity", "AssumeRole", "AssumeRole", "AssumeRole"} {
		status, a := newCall(parent, action, assume()).do(t, s)
		got = append(got, fmt.Sprint(status, a.Code))
	}
	if want := "[200 400Throttling.User 500InternalError 200]"; fmt.Sprint(got) != want {
		t.Errorf("answers %v, want %s", got, want)
	}
	if n := s.Requests().Count(ecs.OpAssumeRole); n != 3 {
		t.Errorf("%d calls of AssumeRole logged, want 3", n)
	}
}
