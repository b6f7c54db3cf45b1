package creds

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestChainCache(t *testing.T) {
	fillChain := func(t *testing.T) (string, *fake, *fakeSTS) {
		dir := filepath.Join(t.TempDir(), "c")
		f, sts := newFake(), newSTS(t)
		chainBench(t, f, sts, cached(dir)).want(t, "STS.child.1")
		f.reset()
		return dir, f, sts
	}
	t.Run("same boot", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			dir, f, sts := fillChain(t)
			b := chainBench(t, f, sts, cached(dir))
			if s := b.want(t, "STS.child.1"); s.Source != "cache" || s.Role != targetARN {
				t.Errorf("snapshot = %+v", s)
			}
			if id, err := b.Identity(t.Context()); err != nil || id != f.identity {
				t.Errorf("Identity = %v, %v", id, err)
			}
			f.wantRequests(t)
			if sts.count() != 1 {
				t.Errorf("%d requests to STS, want none but the first", sts.count())
			}
		})
	})
	t.Run("other boot", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			dir, f, sts := fillChain(t)
			chainBench(t, f, sts, cached(dir), boot("boot-2")).want(t, "STS.child.1")
			f.wantRequests(t, "PUT token", "GET document", "GET role")
			if sts.count() != 1 {
				t.Errorf("%d requests to STS, want none but the first", sts.count())
			}
		})
	})
	t.Run("other boot of a clone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			dir, f, sts := fillChain(t)
			f.set(func() { f.identity.InstanceID, f.expires = "i-clone", time.Time{} })
			chainBench(t, f, sts, cached(dir), boot("boot-2")).want(t, "STS.child.2")
			if got := sts.asked()[1]; got != "STS.app.2" {
				t.Errorf("assumed with %s", got)
			}
		})
	})
	for name, change := range map[string]func(*AssumeRole){
		"policy":      func(a *AssumeRole) { a.Policy = "{}" },
		"role":        func(a *AssumeRole) { a.ARN += "2" },
		"session":     func(a *AssumeRole) { a.SessionName = "other" },
		"external id": func(a *AssumeRole) { a.ExternalID = "ab" },
		"duration":    func(a *AssumeRole) { a.Duration = 2 * time.Hour },
	} {
		t.Run("other "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dir, f, sts := fillChain(t)
				chainBench(t, f, sts, cached(dir), func(o *Options) { change(&o.AssumeRole) }).want(t, "STS.child.2")
				f.wantRequests(t) // the role's own is as good as before
			})
		})
	}
	t.Run("without chain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			dir, f, _ := fillChain(t)
			benchOn(t, f, cached(dir)).want(t, "STS.app.1")
		})
	})
}

// The instance gets another role: the child is assumed anew with it.
func TestChainRoleSwapped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		b := chainBench(t, newFake(), sts, cached(tempCache(t)), func(o *Options) { o.AssumeRole.Duration = 12 * time.Hour })
		b.start(t)
		b.want(t, "STS.child.1")
		b.fake.set(func() { b.fake.role, b.fake.expires = "next", time.Time{} })
		time.Sleep(lookEvery + lookEvery/10 + time.Second)
		b.want(t, "STS.child.2")
		if got := strings.Join(sts.asked(), ","); got != "STS.app.1,STS.next.2" {
			t.Errorf("parents = %s", got)
		}
		if fresh, _ := b.assumed.store.load(); fresh == nil || fresh.id != "STS.child.2" {
			t.Errorf("cached: %v", fresh)
		}
	})
}

// The role is detached: neither credential stays on disk.
func TestChainRoleDetached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		b := chainBench(t, newFake(), sts, cached(tempCache(t)), func(o *Options) { o.AssumeRole.Duration = 12 * time.Hour })
		b.start(t)
		b.want(t, "STS.child.1")
		b.fake.set(func() { b.fake.role = "" })
		time.Sleep(lookEvery + lookEvery/10 + 3*detachProof)
		for _, k := range []*keeper{b.role, b.assumed} {
			if exists(k.store.path()) {
				t.Errorf("%s is still there", k.store.name)
			}
		}
		b.want(t, "STS.child.1")
	})
}
