package creds_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/ecs"
)

// A site is a metadata service and an STS that share who issues credentials.
type site struct {
	*authority.Authority
	meta          *ecs.Server
	sts           *ecs.STS
	metaURL       string
	stsURL        string
	cache, target string
}

func newSite(t *testing.T) *site {
	s := &site{Authority: authority.New(authority.Options{}), cache: filepath.Join(t.TempDir(), "credentials")}
	s.meta = ecs.New(ecs.Options{Authority: s.Authority, Role: "app"})
	s.sts = ecs.NewSTS(ecs.STSOptions{Authority: s.Authority, AccountID: s.meta.Options().AccountID})
	s.sts.SetRole(ecs.Role{Name: "target", Trust: []string{"app"}})
	s.target = s.sts.ARN("target")
	m, q := httptest.NewServer(s.meta), httptest.NewServer(s.sts)
	t.Cleanup(m.Close)
	t.Cleanup(q.Close)
	s.metaURL, s.stsURL = m.URL, q.URL
	return s
}

// valid fails unless a credential is one that the authority has issued, all of
// one piece.
func (s *site) valid(t *testing.T, p *creds.Provider) *creds.Snapshot {
	t.Helper()
	got, err := p.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, ok := s.Lookup(got.AccessKeyID)
	if !ok || g.AccessKeySecret != got.AccessKeySecret.Reveal() || g.SecurityToken != got.SecurityToken.Reveal() ||
		g.Expires.Sub(got.Expires).Abs() > time.Second {
		t.Fatalf("%v is not what was issued: %v", got, g)
	}
	return got
}

func TestSandboxMetadata(t *testing.T) {
	s := newSite(t)
	opt := creds.Options{Endpoint: s.metaURL, CacheDir: s.cache}
	p := creds.New(opt)
	first := s.valid(t, p)
	if n := len(s.meta.Requests().Entries()); n != 4 {
		t.Errorf("%d requests, want token, role, credential and document", n)
	}
	s.valid(t, creds.New(opt))
	if n := len(s.meta.Requests().Entries()); n != 4 {
		t.Errorf("%d requests of a second process, want none", n-4)
	}
	if id, err := p.Identity(t.Context()); err != nil || id.InstanceID != s.meta.Options().InstanceID || id.Region != s.meta.Options().Region {
		t.Errorf("Identity = %+v, %v", id, err)
	}
	s.meta.Rotate()
	second, err := p.Refresh(t.Context(), first.Generation)
	if err != nil || second.AccessKeyID == first.AccessKeyID {
		t.Errorf("Refresh = %v, %v", second, err)
	}
	when := time.Now().Add(5 * time.Minute).UTC().Truncate(time.Second)
	s.meta.SetSpotTermination(when)
	if at, set, err := p.TerminationTime(t.Context()); !set || err != nil || !at.Equal(when) {
		t.Errorf("TerminationTime = %v, %v, %v", at, set, err)
	}
}

func TestSandboxTroubles(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(s *site)
		kind  creds.Kind
	}{
		{"disabled", func(s *site) { s.meta.SetMode(ecs.Disabled) }, creds.Disabled},
		{"no role", func(s *site) { s.meta.SetRole("") }, creds.NoRole},
		{"server error", func(s *site) { s.meta.Faults().Add(ecs.Fault{Op: ecs.OpRole, Status: 500}) }, creds.Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			tt.spoil(s)
			_, err := creds.New(creds.Options{Endpoint: s.metaURL}).Get(t.Context())
			if e, ok := err.(*creds.Error); !ok || e.Kind != tt.kind {
				t.Errorf("Get: %v", err)
			}
		})
	}
}

// The sandbox's STS verifies the signature with code of its own.
func TestSandboxAssumeRole(t *testing.T) {
	s := newSite(t)
	opt := creds.Options{Endpoint: s.metaURL, CacheDir: s.cache, AssumeRole: creds.AssumeRole{
		ARN: s.target, Endpoint: s.stsURL, Duration: 15 * time.Minute,
		Policy: `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:PutObject"],"Resource":["acs:oss:*:*:b/logs/*"]}]}`,
	}}
	got := s.valid(t, creds.New(opt))
	if got.Role != s.target || time.Until(got.Expires) > 16*time.Minute {
		t.Errorf("snapshot = %+v", got)
	}
	s.valid(t, creds.New(opt))
	if n := s.sts.Requests().Count(ecs.OpAssumeRole); n != 1 {
		t.Errorf("%d requests to STS of two processes, want 1", n)
	}

	s.sts.SetRole(ecs.Role{Name: "target", Trust: []string{"other"}})
	opt.CacheDir = ""
	_, err := creds.New(opt).Get(t.Context())
	if e, ok := err.(*creds.Error); !ok || e.Kind != creds.Denied || !strings.Contains(e.Hint, "trust policy") {
		t.Errorf("a role that does not trust: %v", err)
	}
}
