package authority_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

func TestGenerations(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	a := authority.New(authority.Options{Lifetime: time.Hour, Now: func() time.Time { return now }})
	if _, ok := a.Current("r"); ok {
		t.Error("Current of a role without grants is true")
	}

	g1 := a.Issue("r")
	now = now.Add(30 * time.Minute)
	g2 := a.Issue("r")
	other := a.Issue("other")
	if g1.Generation != 1 || g2.Generation != 2 || other.Generation != 1 {
		t.Errorf("generations %d, %d and %d of another role, want 1, 2 and 1", g1.Generation, g2.Generation, other.Generation)
	}
	if cur, ok := a.Current("r"); !ok || cur != g2 {
		t.Errorf("Current = %+v, %v, want the second grant", cur, ok)
	}
	if got, ok := a.Lookup(g1.AccessKeyID); !ok || got != g1 || got.Expired(now) {
		t.Errorf("the first grant is not good beside the second: %+v, %v", got, ok)
	}
	now = now.Add(30 * time.Minute)
	if got, ok := a.Lookup(g1.AccessKeyID); !ok || !got.Expired(now) {
		t.Errorf("Lookup at its end = expired %v, %v; want it known and expired", got.Expired(now), ok)
	}
	if g2.Expired(now) {
		t.Error("the second grant ended with the first")
	}
	now = now.Add(48 * time.Hour)
	a.Issue("r")
	if _, ok := a.Lookup(g1.AccessKeyID); ok {
		t.Error("a grant is remembered two days after its end")
	}
}

func TestRevokeAndExpire(t *testing.T) {
	a := authority.New(authority.Options{})
	g := a.Issue("r")
	if !g.Temporary() || g.Expires.Sub(g.Issued) < authority.DefaultLifetime {
		t.Errorf("Issue = %+v, want a temporary grant of %v", g, authority.DefaultLifetime)
	}
	a.Expire(g.AccessKeyID)
	if got, ok := a.Lookup(g.AccessKeyID); !ok || !got.Expired(a.Now()) {
		t.Errorf("after Expire: %+v, %v", got, ok)
	}
	a.Revoke(g.AccessKeyID)
	if _, ok := a.Lookup(g.AccessKeyID); ok {
		t.Error("a revoked grant is known")
	}
	if _, ok := a.Current("r"); ok {
		t.Error("a revoked grant is current")
	}
	if short := a.IssueFor("r", time.Millisecond); short.Expires.Before(short.Issued.Add(time.Millisecond)) {
		t.Errorf("a grant of 1 ms issued %v ends %v", short.Issued, short.Expires)
	}
}

func TestStatic(t *testing.T) {
	a := authority.New(authority.Options{})
	a.AddStatic("id", "secret")
	a.Expire("id")
	g, ok := a.Lookup("id")
	if !ok || g.AccessKeySecret != "secret" || g.Temporary() || g.Expired(a.Now().AddDate(100, 0, 0)) {
		t.Errorf("Lookup = %+v, %v, want a key that never ends", g, ok)
	}
}

func TestTokenNeedsEscaping(t *testing.T) {
	g := authority.New(authority.Options{}).Issue("r")
	for _, c := range "+/=" {
		if !strings.ContainsRune(g.SecurityToken, c) {
			t.Errorf("token has no %q", c)
		}
	}
	if !strings.HasPrefix(g.AccessKeyID, "STS.") {
		t.Errorf("access key id %q has no STS. prefix", g.AccessKeyID)
	}
}

func TestConcurrentIssue(t *testing.T) {
	a := authority.New(authority.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			g := a.Issue("r")
			if got, ok := a.Lookup(g.AccessKeyID); !ok || got != g {
				t.Errorf("Lookup = %+v, %v, want %+v", got, ok, g)
			}
		})
	}
	wg.Wait()
	if g := a.Issue("r"); g.Generation != 9 {
		t.Errorf("generation %d after 8 grants, want 9", g.Generation)
	}
}
