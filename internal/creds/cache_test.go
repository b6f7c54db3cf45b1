package creds

import (
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
	dir = tempCache(t)
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
		b := newBench(t, cached(tempCache(t)))
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
		b := newBench(t, cached(tempCache(t)))
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
		b := newBench(t, cached(tempCache(t)))
		b.fake.fail("GET document", 404)
		b.want(t, "STS.app.1")
		if exists(b.top.store.path()) {
			t.Error("cached without an instance")
		}
	})
}
