package creds

import (
	"net/http"
	"strings"
	"testing"
)

func TestRoleNames(t *testing.T) {
	tests := []struct {
		name, body string
		kind       Kind // -1: accepted
	}{
		{"with CRLF", "app\r\n", -1},
		{"second line ignored", "app\nother\n", -1},
		{"longest", strings.Repeat("a", 64), -1},
		{"all characters", "A.b_c@D-9", -1},
		{"too long", strings.Repeat("a", 65), BadResponse},
		{"NUL", "ap\x00p", BadResponse},
		{"CR inside", "ap\rp", BadResponse},
		{"path", "../../api/token", BadResponse},
		{"dots", "..", BadResponse},
		{"query", "app?x=1", BadResponse},
		{"percent", "app%2e", BadResponse},
		{"not ASCII", "rôle", BadResponse},
		{"invalid UTF-8", "app\xff", BadResponse},
		{"page", "<!DOCTYPE html><title>Log in</title>", NotMetadata},
		{"page after BOM", "\ufeff \n<html>", NotMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				role := strings.TrimSpace(strings.SplitN(tt.body, "\n", 2)[0])
				b.fake.role = role
				b.fake.answer("GET role", 200, tt.body)
				s, err := b.Get(t.Context())
				if tt.kind >= 0 {
					wantKind(t, err, tt.kind)
					b.fake.wantRequests(t, "PUT token", "GET role")
				} else if err != nil || s.Role != role {
					t.Errorf("Get = %v, %v", s, err)
				}
			})
		})
	}
}

func TestTokens(t *testing.T) {
	tests := []struct {
		name, body string
		kind       Kind
	}{
		{"white space around", " \ttoken==\r\n", -1},
		{"longest", strings.Repeat("x", 2048), -1},
		{"too long", strings.Repeat("x", 2049), BadResponse},
		{"empty", "", BadResponse},
		{"two words", "a b", BadResponse},
		{"header injection", "a\r\nX-Evil: 1", BadResponse},
		{"control character", "a\x01", BadResponse},
		{"page", "<html>Sign in to WiFi</html>", NotMetadata},
		{"over the limit", strings.Repeat("x", maxBody+1), BadResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t)
				token := strings.TrimSpace(tt.body)
				b.fake.tokens[token] = -1
				b.fake.answer("PUT token", 200, tt.body)
				_, err := b.Get(t.Context())
				if tt.kind >= 0 {
					wantKind(t, err, tt.kind)
					b.fake.wantRequests(t, "PUT token")
				} else if err != nil {
					t.Errorf("Get: %v", err)
				}
			})
		})
	}
}

func TestForbiddenItem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.fail("GET", http.StatusForbidden)
		_, err := b.Get(t.Context())
		wantKind(t, err, Refused)
		b.fake.wantRequests(t, "PUT token", "GET role")
	})
}

func TestIdentity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		for range 3 {
			if id, err := b.Identity(t.Context()); err != nil || id != b.fake.identity {
				t.Fatalf("Identity = %+v, %v", id, err)
			}
		}
		b.fake.wantRequests(t, "PUT token", "GET document")
	})
}

func TestIdentityDocuments(t *testing.T) {
	good := `{"instance-id":"i-1","region-id":"cn-x","zone-id":"cn-x-a","owner-account-id":"12"`
	tests := []struct{ name, body string }{
		{"not JSON", "i-1"},
		{"array", "[]"},
		{"missing key", `{"instance-id":"i-1","region-id":"cn-x","zone-id":"z"}`},
		{"null", strings.Replace(good, `"12"`, "null", 1) + "}"},
		{"number", strings.Replace(good, `"12"`, "12", 1) + "}"},
		{"duplicate key", good + `,"instance-id":"i-2"}`},
		{"host in region", strings.Replace(good, "cn-x", "evil.example/", 1) + "}"},
		{"trailing", good + `}{}`},
		{"unfinished", good},
		{"empty", ""},
	}
	for _, tt := range tests {
		if _, err := parseIdentity([]byte(tt.body)); kindOf(err) != BadResponse {
			t.Errorf("%s: error = %v", tt.name, err)
		}
	}
	if id, err := parseIdentity([]byte(good + "}")); err != nil || id.AccountID != "12" {
		t.Errorf("good document: %+v, %v", id, err)
	}
}
