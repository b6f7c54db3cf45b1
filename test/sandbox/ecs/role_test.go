package ecs_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/ecs"
)

func TestCredentialBody(t *testing.T) {
	a := authority.New(authority.Options{})
	s := ecs.New(ecs.Options{Authority: a, Role: "writer"})
	w := get(t, s, rolePath+"writer")
	g, ok := a.Current("writer")
	if !ok {
		t.Fatal("nothing was issued")
	}
	const form = "2006-01-02T15:04:05Z"
	want := fmt.Sprintf(`{
  "AccessKeyId" : %q,
  "AccessKeySecret" : %q,
  "Expiration" : %q,
  "SecurityToken" : %q,
  "LastUpdated" : %q,
  "Code" : "Success"
}
`, g.AccessKeyID, g.AccessKeySecret, g.Expires.Format(form), g.SecurityToken, g.Issued.Format(form))
	if got := w.Body.String(); got != want {
		t.Errorf("body %s, want %s", got, want)
	}
}

// TestGenerations follows a client that asks all day through the lives of its
// credentials.
func TestGenerations(t *testing.T) {
	for _, c := range []struct{ lifetime, overlap time.Duration }{
		{6 * time.Hour, 30 * time.Minute},
		{2 * time.Minute, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := authority.New(authority.Options{Lifetime: c.lifetime})
			s := ecs.New(ecs.Options{Authority: a, Role: "writer"})
			first := credential(t, s, "writer")
			time.Sleep(c.lifetime - c.overlap - time.Nanosecond)
			if k := credential(t, s, "writer"); k != first {
				t.Errorf("%v: another credential before the overlap", c.lifetime)
			}
			time.Sleep(time.Nanosecond)
			second := credential(t, s, "writer")
			if second == first {
				t.Fatalf("%v: no new credential when the overlap began", c.lifetime)
			}
			if k := credential(t, s, "writer"); k != second {
				t.Errorf("%v: a third credential in the overlap", c.lifetime)
			}
			time.Sleep(c.overlap - time.Nanosecond)
			g, ok := a.Lookup(first.AccessKeyId)
			if !ok || g.Expired(time.Now()) {
				t.Errorf("%v: the first ended within the overlap", c.lifetime)
			}
			time.Sleep(time.Nanosecond)
			if !g.Expired(time.Now()) {
				t.Errorf("%v: the first outlives the overlap", c.lifetime)
			}
			if g, _ := a.Lookup(second.AccessKeyId); g.Expired(time.Now()) || g.Generation != 2 {
				t.Errorf("%v: the second is %+v", c.lifetime, g)
			}
		})
	}
}

func TestRoleSwap(t *testing.T) {
	a := authority.New(authority.Options{})
	s := ecs.New(ecs.Options{Authority: a, Role: "writer"})
	first := credential(t, s, "writer")

	s.SetRole("reader")
	if got := get(t, s, rolePath).Body.String(); got != "reader" || s.Role() != "reader" {
		t.Errorf("after the swap the role is %q", got)
	}
	if w := get(t, s, rolePath+"writer"); w.Code != http.StatusNotFound {
		t.Errorf("the old role's credential: %d, want 404", w.Code)
	}
	if k := credential(t, s, "reader"); k == first {
		t.Error("the new role has the credential of the old")
	}
	if g, ok := a.Lookup(first.AccessKeyId); !ok || g.Expired(a.Now()) {
		t.Error("the swap ended the old credential")
	}

	s.SetRole("")
	for _, path := range []string{rolePath, rolePath + "reader", "/latest/meta-data/ram/"} {
		if w := get(t, s, path); w.Code != http.StatusNotFound {
			t.Errorf("detached, GET %s: %d, want 404", path, w.Code)
		}
	}
	if _, ok := s.Current(); ok || s.Rotate().AccessKeyID != "" {
		t.Error("detached, there is a credential")
	}
	s.SetRole("writer")
	if k := credential(t, s, "writer"); k != first {
		t.Error("the role came back with another credential")
	}
}

func TestRotate(t *testing.T) {
	s := newServer(0, ecs.Hardened)
	first := credential(t, s, "writer")
	g := s.Rotate()
	cur, _ := s.Current()
	if k := credential(t, s, "writer"); k == first || k.AccessKeyId != g.AccessKeyID || cur != g {
		t.Errorf("after Rotate: %s, want %s", k.AccessKeyId, g.AccessKeyID)
	}
}

func TestBentCredentials(t *testing.T) {
	s := newServer(0, ecs.Hardened)
	first := credential(t, s, "writer")
	second := s.Rotate()
	bent := func(f ecs.Fault) map[string]any {
		t.Helper()
		f.Op, f.Count = ecs.OpCredentials, 1
		s.Faults().Add(f)
		var m map[string]any
		if err := json.Unmarshal(get(t, s, rolePath+"writer").Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := bent(ecs.Fault{Older: true}); m["AccessKeyId"] != first.AccessKeyId {
		t.Errorf("older: %v, want %v", m["AccessKeyId"], first.AccessKeyId)
	}
	m := bent(ecs.Fault{Expired: true})
	if end, err := time.Parse(time.RFC3339, m["Expiration"].(string)); err != nil || time.Since(end) < 50*time.Minute {
		t.Errorf("expired: %v, %v", end, err)
	}
	m = bent(ecs.Fault{Fields: map[string]any{"Code": "Fail", "SecurityToken": nil, "Expiration": 12, "Hint": "x"}, Drop: []string{"AccessKeyId"}})
	if v, ok := m["SecurityToken"]; !ok || v != nil || m["Code"] != "Fail" || m["Expiration"] != 12.0 || m["Hint"] != "x" {
		t.Errorf("fields: %v", m)
	}
	if _, ok := m["AccessKeyId"]; ok {
		t.Errorf("drop: %v", m)
	}
	if m := bent(ecs.Fault{Rotate: true}); m["AccessKeyId"] == second.AccessKeyID {
		t.Error("rotate: the answer holds the old credential")
	}
	if m := bent(ecs.Fault{Rotate: true}); m["AccessKeyId"] == first.AccessKeyId {
		t.Error("rotate: twice the same")
	}
}

// TestRotateEveryRequest asks from many sides at once: each credential must be
// whole, of one generation.
func TestRotateEveryRequest(t *testing.T) {
	a := authority.New(authority.Options{})
	s := ecs.New(ecs.Options{Authority: a, Role: "writer"})
	s.Faults().Add(ecs.Fault{Op: ecs.OpCredentials, Rotate: true})
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				k := credential(t, s, "writer")
				g, ok := a.Lookup(k.AccessKeyId)
				if !ok || g.AccessKeySecret != k.AccessKeySecret || g.SecurityToken != k.SecurityToken {
					t.Errorf("mixed credential %s", k.AccessKeyId)
				}
				mu.Lock()
				seen[k.AccessKeyId] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 400 {
		t.Errorf("%d credentials in 400 answers", len(seen))
	}
}

func TestAnsweredFaults(t *testing.T) {
	s := newServer(0, ecs.Optional)
	s.Faults().Add(
		ecs.Fault{Op: ecs.OpRole, Skip: 1, Count: 1, Status: 500},
		ecs.Fault{Op: ecs.OpRole, Count: 1, Skip: 1, Status: 302, Header: map[string]string{"Location": "http://127.0.0.1:1/"}},
		ecs.Fault{Op: ecs.OpRole, Count: 1, Skip: 1, Body: "<html>log in</html>"},
	)
	var got []string
	for range 5 {
		w := ask(s, "GET", rolePath)
		got = append(got, fmt.Sprint(w.Code, " ", w.Header().Get("Location"), " ", strings.SplitN(w.Body.String(), "\n", 2)[0]))
	}
	want := []string{
		"200  writer",
		`500  <?xml version="1.0" encoding="iso-8859-1"?>`,
		"302 http://127.0.0.1:1/ ",
		"200  <html>log in</html>",
		"200  writer",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("answers %q, want %q", got, want)
	}
	s.Faults().Add(ecs.Fault{Status: 503})
	s.Faults().Clear()
	if w := ask(s, "GET", rolePath); w.Code != 200 {
		t.Errorf("after Clear: %d", w.Code)
	}
}
