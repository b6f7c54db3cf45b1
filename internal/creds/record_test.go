package creds

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever the file holds: no crash, another credential, and a good file.
func TestDamagedCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		path := filepath.Join(dir, "v1.json")
		machine := digest("machine-1")
		good, err := unseal(read(t, path), machine)
		if err != nil {
			t.Fatal(err)
		}
		tests := map[string][]byte{
			"empty":         {},
			"torn":          good[:len(good)/2],
			"one byte less": good[:len(good)-2],
			"doubled":       append(bytes.Clone(good), good...),
			"zeros":         make([]byte, len(good)),
			"not JSON":      []byte("hello"),
			"null":          []byte("null"),
			"future schema": bytes.Replace(good, []byte(`{"v":1,`), []byte(`{"v":2,`), 1),
			"other content": bytes.Replace(good, []byte("STS.app.1"), []byte("STS.app.9"), 1),
			"duplicate key": bytes.Replace(good, []byte(`{"v":1,`), []byte(`{"v":1,"data":{},`), 1),
			"huge":          bytes.Repeat([]byte(" "), maxBody+1),
			"huge and good": append(bytes.Clone(good), bytes.Repeat([]byte(" "), maxBody)...),
			"deep":          bytes.Repeat([]byte("["), maxBody),
		}
		for name, content := range tests {
			if len(content) > 0 && len(content) < maxBody {
				if content, err = seal(content, machine); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			f.reset()
			b := benchOn(t, f, cached(dir))
			b.want(t, "STS.app.1")
			if n := f.count("GET credential"); n != 1 {
				t.Errorf("%s: %d credentials asked for, want 1", name, n)
			}
			if !strings.Contains(b.logs.String(), "dropped") {
				t.Errorf("%s: not logged:\n%s", name, b.logs)
			}
			noSecrets(t, b.logs.String())
			f.reset()
			benchOn(t, f, cached(dir)).want(t, "STS.app.1")
			f.wantRequests(t)
		}
	})
}

// Every single bit counts.
func TestBitFlips(t *testing.T) {
	g := &grant{
		id: "STS.x", secret: NewSecret("s"), token: NewSecret("t"), role: "app",
		expires: time.Now().Add(time.Hour), fetched: time.Now(), identity: newFake().identity,
	}
	good := encodeRecord(binding{Endpoint: DefaultEndpoint, Boot: "b", Machine: digest("m")}, g)
	if r, err := decodeRecord(good); err != nil || r.ID != "STS.x" {
		t.Fatalf("good record: %+v, %v", r, err)
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if r, err := decodeRecord(bad); err == nil {
				t.Errorf("bit %d of byte %d (%q) flipped: accepted as %+v", bit, i, good[i], r)
			}
		}
	}
}

// Records whose checksum is right and whose content is not.
func TestSenselessRecords(t *testing.T) {
	now := time.Now()
	base := func() *grant {
		return &grant{
			id: "STS.x", secret: NewSecret("s"), token: NewSecret("t"), role: "app",
			expires: now.Add(time.Hour), fetched: now, identity: newFake().identity,
		}
	}
	tests := []struct {
		name   string
		change func(g *grant)
		want   error
	}{
		{"good", func(*grant) {}, nil},
		{"fetched a moment ahead", func(g *grant) { g.fetched = now.Add(4 * time.Minute) }, nil},
		{"fetched in the future", func(g *grant) { g.fetched = now.Add(6 * time.Minute) }, errCacheClock},
		{"ended", func(g *grant) { g.expires, g.fetched = now, now.Add(-time.Hour) }, errCacheEnded},
		{"for years", func(g *grant) { g.expires = now.AddDate(1, 0, 0) }, errCacheClock},
		{"ends before it began", func(g *grant) { g.fetched = now.Add(3 * time.Minute); g.expires = now.Add(time.Minute) }, errCacheClock},
		{"no key", func(g *grant) { g.id = "" }, errCacheDamaged},
		{"header injection", func(g *grant) { g.token = NewSecret("a\r\nb") }, errCacheDamaged},
		{"role is a path", func(g *grant) { g.role = "../x" }, errCacheDamaged},
		{"no instance", func(g *grant) { g.identity.InstanceID = "" }, errCacheDamaged},
	}
	for _, tt := range tests {
		g := base()
		tt.change(g)
		r, err := decodeRecord(encodeRecord(binding{}, g))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if _, err := r.grant(now); err != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func FuzzParseCredential(f *testing.F) {
	f.Add([]byte(credentialJSON("app", 1, time.Now().Add(time.Hour))))
	f.Add([]byte(`{"Code":"Success","Code":"Fail"}`))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := parseCredential(body, "app", time.Now())
		if err != nil {
			wantKindOf(t, err)
			return
		}
		if !isPrintable(g.id, maxKey) || !isPrintable(g.token.Reveal(), maxSTSToken) || !g.expires.After(time.Now()) {
			t.Errorf("accepted: %q", body)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"v":1,"sum":"","data":{}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if r, err := decodeRecord(content); err == nil {
			_, _ = r.grant(time.Now())
		}
	})
}

func wantKindOf(t *testing.T, err error) {
	if kindOf(err) < 0 || strings.ContainsAny(err.Error(), "<>\n") {
		t.Errorf("error %q", err)
	}
}
