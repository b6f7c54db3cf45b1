package creds

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRoleSwapped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := tempCache(t)
		b := newBench(t, cached(dir))
		b.start(t)
		b.want(t, "STS.app.1")
		time.Sleep(time.Hour)
		b.fake.set(func() { b.fake.role, b.fake.expires = "next", time.Time{} })
		time.Sleep(lookEvery + lookEvery/10 + time.Second)
		if s := b.want(t, "STS.next.2"); s.Role != "next" || s.Generation != 2 {
			t.Errorf("snapshot = %+v", s)
		}
		other := newBench(t, cached(dir))
		other.want(t, "STS.next.2") // the file was replaced
		other.fake.wantRequests(t)
		if !strings.Contains(b.logs.String(), "role next is attached, no longer app") {
			t.Errorf("log does not tell:\n%s", b.logs)
		}
	})
}

// A swapped role counts even where its credential ends earlier.
func TestRoleSwappedToShorterCredential(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.set(func() { b.fake.role, b.fake.expires = "next", s.Expires.Add(-time.Hour) })
		time.Sleep(lookEvery + lookEvery/10 + time.Second)
		b.want(t, "STS.next.1")
	})
}

func TestRoleDetached(t *testing.T) {
	for _, role := range []string{"", "app"} {
		t.Run("configured "+role, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir := tempCache(t)
				b := newBench(t, cached(dir), func(o *Options) { o.Role = role })
				b.start(t)
				s := b.want(t, "STS.app.1")
				b.fake.set(func() { b.fake.role = "" })
				time.Sleep(time.Until(s.Fetched) + lookEvery - lookEvery/10 - time.Second)
				if fresh, _ := b.top.store.load(); fresh == nil {
					t.Error("cache emptied before the role was missed")
				}
				time.Sleep(lookEvery/5 + 2*detachProof)
				if fresh, old := b.top.store.load(); fresh != nil || old != nil {
					t.Error("cache kept though the role is gone")
				}
				time.Sleep(time.Until(s.Expires) - time.Second)
				b.want(t, "STS.app.1") // Alibaba Cloud honours it to its end
				time.Sleep(time.Second)
				_, err := b.Get(t.Context())
				wantKind(t, err, NoRole)
				if !strings.Contains(b.logs.String(), "role detached") {
					t.Errorf("log does not tell:\n%s", b.logs)
				}
				b.fake.set(func() { b.fake.role = "app" })
				time.Sleep(time.Minute + time.Second)
				b.want(t, "STS.app.2")
			})
		})
	}
}

// One 404 is not a detached role.
func TestRoleMissedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := tempCache(t)
		b := newBench(t, cached(dir))
		b.start(t)
		b.want(t, "STS.app.1")
		var missed atomic.Bool
		b.fake.intercept(func(w http.ResponseWriter, _ *http.Request, what string) bool {
			if what != "GET role" || missed.Swap(true) {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			return true
		})
		time.Sleep(3 * time.Hour)
		if fresh, _ := b.top.store.load(); fresh == nil || !missed.Load() {
			t.Error("cache emptied after one look that found no role")
		}
	})
}

func TestPinnedRoleReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := tempCache(t)
		b := newBench(t, cached(dir), func(o *Options) { o.Role = "app" })
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.set(func() { b.fake.role = "next" })
		time.Sleep(lookEvery + lookEvery/10 + time.Second)
		if fresh, old := b.top.store.load(); fresh != nil || old != nil {
			t.Error("cache kept though another role is attached")
		}
		b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires))
		_, err := b.Get(t.Context())
		wantKind(t, err, WrongRole)
	})
}
