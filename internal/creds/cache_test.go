package creds

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fill makes a cache in a new directory and returns it, with the service that
// filled it.
func fill(t testing.TB, change ...func(*Options)) (dir string, f *fake) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "credentials")
	b := newBench(t, append(change, cached(dir))...)
	b.want(t, "STS.app.1")
	b.fake.reset()
	return dir, b.fake
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestCacheIsWrittenOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, cached(t.TempDir()))
		b.want(t, "STS.app.1")
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app", "GET document")
	})
}

// A one-shot command finds all it needs in the cache, while the service is
// down.
func TestWarmStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		f.fail("", http.StatusServiceUnavailable)
		b := benchOn(t, f, cached(dir))
		if id, err := b.Identity(t.Context()); err != nil || id != f.identity {
			t.Errorf("Identity = %+v, %v", id, err)
		}
		s := b.want(t, "STS.app.1")
		if s.Source != "cache" || s.Role != "app" || s.Generation != 1 || time.Until(s.Expires) < 5*time.Hour {
			t.Errorf("snapshot = %+v", s)
		}
		if again, err := b.Credentials(); again != s || err != nil {
			t.Errorf("Credentials = %v, %v", again, err)
		}
		f.wantRequests(t)
	})
}

// A command in a loop asks once in six hours.
func TestCommandInLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		begin := time.Now()
		for time.Since(begin) < 24*time.Hour {
			if s, err := benchOn(t, f, cached(dir)).Get(t.Context()); err != nil || !consistent(s) {
				t.Fatalf("after %v: %v, %v", time.Since(begin), s, err)
			}
			time.Sleep(2 * time.Minute)
		}
		if n := f.count("GET credential"); n != 4 {
			t.Errorf("credential asked for %d times in 24 h, want 4", n)
		}
	})
}

// The agent starts from the cache, and soon looks whether the role is still
// attached.
func TestAgentWarmStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		b := benchOn(t, f, cached(dir))
		b.start(t)
		b.want(t, "STS.app.1")
		f.wantRequests(t)
		time.Sleep(lookSoon + lookSoon/5)
		f.wantRequests(t, "PUT token", "GET role")
	})
}

func TestOtherBoot(t *testing.T) {
	type result struct {
		id       string // "" for an error
		requests []string
		kept     bool // a file remains, or is there anew
	}
	look := []string{"PUT token", "GET document"}
	whole := []string{"PUT token", "GET document", "GET role"}
	fetch := []string{"PUT token", "GET role", "GET credential app"}
	tests := []struct {
		name   string
		boot   string
		change func(f *fake)
		want   result
	}{
		{"rebooted", "boot-2", func(*fake) {}, result{"STS.app.1", whole, true}},
		{"boot not known", "", func(*fake) {}, result{"STS.app.1", whole, true}},
		{"rebooted, service down", "boot-2", func(f *fake) { f.fail("", 503) }, result{"", []string{"PUT token"}, true}},
		{"rebooted, no identity", "boot-2", func(f *fake) { f.fail("GET document", 500) }, result{"", look, true}},
		{"rebooted, role detached", "boot-2", func(f *fake) { f.role = "" }, result{"", whole, true}},
		{"cloned", "boot-2", func(f *fake) { f.identity.InstanceID = "i-clone"; f.rotate2() }, result{"STS.app.2", append(look[:2:2], fetch...), true}},
		{"cloned, no role", "boot-2", func(f *fake) { f.identity.InstanceID = "i-clone"; f.role = "" }, result{"", append(look[:2:2], "PUT token", "GET role"), false}},
		{"cloned to another account", "boot-2", func(f *fake) { f.identity.AccountID = "6"; f.rotate2() }, result{"STS.app.2", append(look[:2:2], fetch...), true}},
		{"copied to another region", "boot-2", func(f *fake) { f.identity.Region = "cn-beijing"; f.rotate2() }, result{"STS.app.2", append(look[:2:2], fetch...), true}},
		{"rebooted with another role", "boot-2", func(f *fake) { f.role = "next"; f.rotate2() },
			result{"STS.next.2", append(whole[:3:3], "PUT token", "GET role", "GET credential next"), true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir, f := fill(t)
				tt.change(f)
				b := benchOn(t, f, cached(dir), boot(tt.boot))
				s, err := b.Get(t.Context())
				if got := f.requests(); strings.Join(got, ",") != strings.Join(tt.want.requests, ",") {
					t.Errorf("requests = %q, want %q", got, tt.want.requests)
				}
				if tt.want.id == "" {
					if err == nil {
						t.Errorf("Get = %v", s)
					}
				} else if err != nil || s.AccessKeyID != tt.want.id {
					t.Errorf("Get = %v, %v, want %s", s, err, tt.want.id)
				}
				if got := exists(b.top.store.path()); got != tt.want.kept {
					t.Errorf("file exists: %v", got)
				}
				if err == nil && tt.boot != "" { // it is this boot's now
					f.heal()
					f.reset()
					benchOn(t, f, cached(dir), boot(tt.boot)).want(t, tt.want.id)
					f.wantRequests(t)
				}
			})
		})
	}
}

// rotate2 is rotate for whoever runs alone.
func (f *fake) rotate2() { f.expires = time.Time{} }

// A cache that belongs to something else is deleted, even where nothing better
// can be had.
func TestForeignCache(t *testing.T) {
	tests := map[string]func(*Options){
		"other machine":  func(o *Options) { o.MachineID = func() (string, error) { return "machine-2", nil } },
		"other endpoint": func(o *Options) { o.Endpoint = "http://127.0.0.1:9" },
		"other role":     func(o *Options) { o.Role = "other" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir, f := fill(t)
				f.fail("", 503)
				b := benchOn(t, f, cached(dir), change)
				if s, err := b.Get(t.Context()); err == nil {
					t.Errorf("Get = %v", s)
				}
				if exists(b.top.store.path()) {
					t.Error("the file is still there")
				}
			})
		})
	}
}

func TestExpiredCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		time.Sleep(6*time.Hour + time.Second)
		f.fail("", 503)
		b := benchOn(t, f, cached(dir))
		_, err := b.Get(t.Context())
		wantKind(t, err, Unreachable)
		if exists(b.top.store.path()) {
			t.Error("the expired credential is still on disk")
		}
	})
}

// The agent deletes its file at the end of the credential, though it cannot
// get another.
func TestRunDeletesExpiredCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, cached(t.TempDir()))
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.fail("", 503)
		time.Sleep(time.Until(s.Expires) - time.Second)
		if !exists(b.top.store.path()) {
			t.Error("the file went early")
		}
		time.Sleep(time.Minute + time.Second)
		if exists(b.top.store.path()) {
			t.Error("the expired credential is still on disk")
		}
	})
}

func TestCacheNearItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		time.Sleep(6*time.Hour - urgentCache + time.Second)
		f.fail("", 503)
		b := benchOn(t, f, cached(dir))
		b.want(t, "STS.app.1") // for want of a better one
		f.heal()
		benchOn(t, f, cached(dir)).want(t, "STS.app.2")
	})
}

// Whatever the file holds: no crash, another credential, and a good file.
func TestDamagedCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		path := filepath.Join(dir, "v1.json")
		good := read(t, path)
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

// Where nothing can be cached, credentials are as good.
func TestCacheNotWritable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, cached(filepath.Join(file, "credentials")))
		b.start(t)
		b.want(t, "STS.app.1")
		time.Sleep(6 * time.Hour)
		b.want(t, "STS.app.2")
		if !strings.Contains(b.logs.String(), "credential not cached") {
			t.Errorf("not logged:\n%s", b.logs)
		}
	})
}

// A credential whose instance is not known cannot be confirmed later.
func TestNothingCachedWithoutIdentity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, cached(t.TempDir()))
		b.fake.fail("GET document", 404)
		b.want(t, "STS.app.1")
		if exists(b.top.store.path()) {
			t.Error("cached without an instance")
		}
	})
}

// Another process has renewed the credential meanwhile.
func TestAdoptsWhatAnotherProcessGot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		b := benchOn(t, f, cached(dir))
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - 10*time.Minute)
		benchOn(t, f, cached(dir)).want(t, "STS.app.1")
		other := benchOn(t, f, cached(dir))
		other.want(t, "STS.app.1")
		f.rotate()
		if got, err := other.Refresh(t.Context(), 1); err != nil || got.AccessKeyID != "STS.app.2" {
			t.Fatalf("Refresh = %v, %v", got, err)
		}
		f.reset()
		if got, err := b.Refresh(t.Context(), s.Generation); err != nil || got.AccessKeyID != "STS.app.2" || got.Source != "cache" {
			t.Errorf("Refresh = %v, %v", got, err)
		}
		f.wantRequests(t)
	})
}

// Many processes whose credential is refused at once, and no other to be had.
func TestRefusedInManyProcesses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, f := fill(t)
		time.Sleep(time.Hour)
		for range 10 {
			b := benchOn(t, f, cached(dir))
			s := b.want(t, "STS.app.1")
			if got, err := b.Refresh(t.Context(), s.Generation); err != nil || got.Generation != s.Generation {
				t.Errorf("Refresh = %v, %v", got, err)
			}
		}
		if n := f.count("GET credential"); n != 1 {
			t.Errorf("credential asked for %d times, want 1", n)
		}
	})
}

// The lock's holder hangs: others do without after a while.
func TestLockHeldForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBench(t, cached(dir))
		d, err := openPrivateDir(dir, true)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		unlock, free, err := d.tryLock("v1.json.lock")
		if !free || err != nil {
			t.Fatalf("tryLock: %v, %v", free, err)
		}
		defer unlock()
		begin := time.Now()
		b.want(t, "STS.app.1")
		if took := time.Since(begin); took < lockWait || took > lockWait+time.Second {
			t.Errorf("took %v, want a bit over %v", took, lockWait)
		}
	})
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

// childRefresh gets a credential as a process of its own; arg is "DIR|ENDPOINT".
func childRefresh(arg string) {
	dir, endpoint, _ := strings.Cut(arg, "|")
	p := New(Options{Endpoint: endpoint, CacheDir: dir, BootID: func() (string, error) { return "boot", nil }})
	s, err := p.Get(context.Background())
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(s.AccessKeyID)
}

// 20 processes started together make one refresh.
func TestProcessHerd(t *testing.T) {
	f := newFake()
	f.intercept(func(http.ResponseWriter, *http.Request, string) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	})
	arg := filepath.Join(t.TempDir(), "c") + "|" + serveLoopback(t, f)
	outs := make(chan string)
	for range 20 {
		go func() {
			out, err := child(t, "refresh", nil, arg).Output()
			if err != nil {
				out = []byte(err.Error())
			}
			outs <- string(out)
		}()
	}
	for range 20 {
		if out := <-outs; out != "STS.app.1" {
			t.Errorf("a process got %q", out)
		}
	}
	f.wantRequests(t, "PUT token", "GET role", "GET credential app", "GET document")
}
