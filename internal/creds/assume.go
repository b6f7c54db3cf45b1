package creds

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	assumeLimit     = 2 * attemptTimeout // the parent's credential may have to be had first
	defaultSession  = "osssync-{instance_id}"
	defaultDuration = time.Hour
	assumeSlack     = 10 * time.Minute // what a clock may be off that is not corrected
)

// assumeSource gets the credential of another role from STS, with the
// instance's own. It takes the latter anew for each request: a copy would end.
type assumeSource struct {
	opt    AssumeRole
	parent *keeper
	// instance says where this is; it must not ask for the assumed role.
	instance func(context.Context) (Identity, error)
	http     *http.Client
	clk      *clock
}

// chain makes p give out the credential of the role that opt names.
func (p *Provider) chain(opt *Options) {
	src := &assumeSource{
		opt:      opt.AssumeRole,
		parent:   p.role,
		instance: p.instance,
		http:     newClient(func(netip.Addr) bool { return true }, opt.dial),
		clk:      &p.clk,
	}
	k := p.keeper(opt, src, fromAssumeRole, adviseAssumed)
	k.limit = assumeLimit
	k.assumes = opt.AssumeRole.ARN
	p.role.changed = func(gone bool) {
		k.drop()
		if !gone {
			k.force()
		}
	}
	p.assumed, p.top = k, k
}

// fetch implements source.
func (a *assumeSource) fetch(ctx context.Context) (*grant, error) {
	for retried := false; ; retried = true {
		parent, err := a.parent.get(ctx)
		if err != nil {
			return nil, err
		}
		id, err := a.instance(ctx)
		if err != nil {
			return nil, err
		}
		g, err := a.assume(ctx, parent, id)
		if err == nil {
			g.role, g.identity = parent.Role, id
			return g, nil
		}
		switch {
		case retried:
			return nil, err
		case errors.Is(err, errParentRefused):
			if _, err := a.parent.refresh(ctx, parent.Generation); err != nil {
				return nil, err
			}
		case !errors.Is(err, errSkewed):
			return nil, err
		}
	}
}

// confirm implements source. The parent's credential is this boot's, whatever
// it comes from, and so is the identity.
func (a *assumeSource) confirm(ctx context.Context, g *grant) (bool, error) {
	parent, err := a.parent.get(ctx)
	if err != nil {
		return false, err
	}
	id, err := a.instance(ctx)
	return err == nil && id == g.identity && parent.Role == g.role, err
}

// These are worth another try at once.
var (
	errParentRefused = errors.New("the role's credential was refused")
	errSkewed        = errors.New("the request's time was refused")
)

// assume sends one request to STS.
func (a *assumeSource) assume(ctx context.Context, parent *Snapshot, id Identity) (*grant, error) {
	req, err := a.request(ctx, parent, id)
	if err != nil {
		return nil, err
	}
	sent := a.clk.wall()
	answer, err := roundTrip(a.http, req, func(status int) bool { return status < 300 || status >= 400 })
	if e, unreachable := errors.AsType[*Error](err); unreachable && e.Kind == Unreachable {
		e.Hint = "check that " + req.URL.Host + " can be reached from this instance, or set credentials.sts_endpoint"
	}
	if err != nil {
		return nil, err
	}
	if answer.status < 300 || answer.status >= 400 {
		a.clk.header(answer.header, sent)
	}
	if answer.status != http.StatusOK {
		return nil, assumeError(answer)
	}
	doc, err := parseDocument(answer.body)
	if err == nil {
		doc, err = parseDocument(doc["Credentials"])
	}
	if err != nil {
		return nil, failf(BadResponse, "assume role: read credential: %w", err)
	}
	return doc.keys(a.clk.now(), maxLifetime+assumeSlack)
}

// request makes the signed request.
func (a *assumeSource) request(ctx context.Context, parent *Snapshot, id Identity) (*http.Request, error) {
	base := a.opt.Endpoint
	if base == "" {
		base = stsEndpoint(id.Region)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(base, "/")+"/", nil)
	if err != nil {
		return nil, failf(Misconfigured, "assume role: sts endpoint is not a URL")
	}
	q, err := a.parameters(id)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = canonicalQuery(q)
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	now := a.clk.wall().UTC()
	if off := time.Duration(a.clk.offset.Load()); off.Abs() > skewWarn {
		now = now.Add(off)
	}
	for k, v := range map[string]string{
		"x-acs-action":          "AssumeRole",
		"x-acs-version":         "2015-04-01",
		"x-acs-date":            now.Format(time.RFC3339),
		"x-acs-signature-nonce": hex.EncodeToString(nonce[:]),
		"x-acs-accesskey-id":    parent.AccessKeyID,
		"x-acs-security-token":  parent.SecurityToken.Reveal(),
	} {
		req.Header.Set(k, v)
	}
	signACS3(req, nil, parent.AccessKeyID, parent.AccessKeySecret)
	return req, nil
}

func (a *assumeSource) parameters(id Identity) (url.Values, error) {
	session := a.opt.SessionName
	if session == "" {
		session = defaultSession
	}
	session = strings.ReplaceAll(session, "{instance_id}", id.InstanceID)
	if len(session) < 2 || !isName(session, 64, ".@_-") {
		return nil, failf(Misconfigured, "assume role: session name %q: not 2 to 64 letters, digits and . _ - @", session)
	}
	duration := a.opt.Duration
	if duration == 0 {
		duration = defaultDuration
	}
	q := url.Values{
		"RoleArn":         {a.opt.ARN},
		"RoleSessionName": {session},
		"DurationSeconds": {strconv.Itoa(int(duration / time.Second))},
	}
	if a.opt.ExternalID != "" {
		q.Set("ExternalId", a.opt.ExternalID)
	}
	if a.opt.Policy != "" {
		q.Set("Policy", a.opt.Policy)
	}
	return q, nil
}

// stsEndpoint returns the STS service of a region, which is reachable without
// a way out of the VPC, except in the one region that has none.
func stsEndpoint(region string) string {
	if region == "cn-hangzhou-finance" {
		return "https://sts.cn-hangzhou.aliyuncs.com"
	}
	return "https://sts-vpc." + region + ".aliyuncs.com"
}

// assumeError classifies an answer of STS by its code. What the service says
// besides is not repeated: it may quote the request.
func assumeError(a *answer) error {
	var body struct{ Code string }
	if json.Unmarshal(a.body, &body) != nil || body.Code == "" {
		if a.status >= 500 || a.status == http.StatusTooManyRequests || a.status/100 == 3 {
			return statusError("assume role", a.status)
		}
		return failf(NotMetadata, "assume role: what answers at the sts endpoint is not STS (%d %s)", a.status, http.StatusText(a.status))
	}
	code := safeCode(body.Code)
	is := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(code, p) {
				return true
			}
		}
		return false
	}
	switch {
	case a.status >= 500, a.status == http.StatusTooManyRequests, is("Throttling", "ServiceUnavailable", "InternalError"):
		return failf(Unreachable, "assume role: %s (%d)", code, a.status)
	case is("InvalidTimeStamp", "SignatureNonceUsed", "RequestTimeTooSkewed"):
		e := failf(BadResponse, "assume role: %s: %w", code, errSkewed)
		e.Hint = "check the machine's clock (timedatectl, w32tm /query /status)"
		return e
	case is("InvalidSecurityToken", "InvalidAccessKeyId", "MissingSecurityToken", "SignatureDoesNotMatch", "SecurityTokenExpired"):
		return failf(Refused, "assume role: %s: %w", code, errParentRefused)
	}
	return denied(code)
}

// denied is for what only a person can change.
func denied(code string) error {
	e := failf(Denied, "assume role: %s", code)
	switch {
	case strings.HasPrefix(code, "InvalidParameter.DurationSeconds"):
		e.Hint = "set credentials.session_duration no longer than the role's maximum session duration"
	case strings.HasPrefix(code, "InvalidParameter.PolicyGrammar"):
		e.Hint = "credentials.session_policy is not a RAM policy"
	case strings.HasPrefix(code, "InvalidParameter"):
		e.Hint = "check the keys of the [credentials] section that belong to assume_role_arn"
	case strings.HasPrefix(code, "EntityNotExist"):
		e.Hint = "there is no role of the name that credentials.assume_role_arn ends in"
	}
	return e
}
