package creds

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestColdHerd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(20 * time.Millisecond)
			return false
		})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if s, err := b.Get(t.Context()); err != nil || !consistent(s) {
					t.Errorf("Get = %v, %v", s, err)
				}
			})
		}
		wg.Wait()
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
	})
}

// The same without fake time, where goroutines do run at once.
func TestColdHerdInRealTime(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 1000 {
		wg.Go(func() {
			<-start
			if s, err := b.Get(context.Background()); err != nil || !consistent(s) {
				t.Errorf("Get = %v, %v", s, err)
			}
		})
	}
	close(start)
	wg.Wait()
	b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
}

func TestCallerCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(time.Second)
			return false
		})
		gone := errors.New("gone home")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			begin := time.Now()
			if _, err := b.Get(ctx); err != gone || time.Since(begin) != 500*time.Millisecond {
				t.Errorf("first caller: %v after %v", err, time.Since(begin))
			}
		})
		wg.Go(func() {
			time.Sleep(100 * time.Millisecond)
			b.want(t, "STS.app.1")
		})
		time.Sleep(500 * time.Millisecond)
		cancel(gone)
		wg.Wait()
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
		if s, err := b.Get(ctx); err != nil || s == nil {
			t.Errorf("a done context keeps Get from returning what is at hand: %v", err)
		}
	})
}

func TestCredentialsNeverWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		if _, err := b.Credentials(); kindOf(err) != Pending {
			t.Errorf("before anything was asked: %v", err)
		}
		b.want(t, "STS.app.1")
		b.fake.intercept(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			<-r.Context().Done() // hangs
			return true
		})
		b.start(t)
		for range 6 * 60 * 4 { // 24 h, in steps of 15 s, but for the last of the credential
			time.Sleep(15 * time.Second)
			begin := time.Now()
			s, err := b.Credentials()
			if took := time.Since(begin); took != 0 {
				t.Fatalf("Credentials took %v", took)
			}
			if err != nil || !s.Expires.After(time.Now()) {
				if kindOf(err) != Expired || begin.Before(time.Now()) {
					t.Fatalf("Credentials = %v, %v", s, err)
				}
			}
		}
	})
}

// Readers in every goroutine, a rotation every millisecond or so: no triple
// mixes two generations.
func TestMixedGenerations(t *testing.T) {
	f := newFake()
	f.early = 7 * time.Hour // every answer is a new one
	b := benchOn(t, f)
	ctx := context.Background()
	first, err := b.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var rotated atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer rotated.Store(true)
		last := first
		for range 300 {
			b.top.mu.Lock()
			b.top.forcedAt = time.Time{} // the limit is tested elsewhere
			b.top.mu.Unlock()
			next, err := b.Refresh(ctx, last.Generation)
			if err != nil || next.Generation != last.Generation+1 {
				t.Errorf("Refresh(%d) = %v, %v", last.Generation, next, err)
				return
			}
			last = next
		}
	})
	for range 64 {
		wg.Go(func() {
			var newest uint64
			for i := 0; i < 1000 || !rotated.Load(); i++ {
				s, err := b.Credentials()
				if err != nil || !consistent(s) || s.Generation < newest {
					t.Errorf("Credentials = %v, %v after generation %d", s, err, newest)
					return
				}
				newest = s.Generation
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
}

func TestAdvisoryRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(100 * time.Millisecond)
			return false
		})
		for { // callers keep the old one until the new one is there
			time.Sleep(50 * time.Millisecond)
			got, err := b.Credentials()
			if err != nil {
				t.Fatal(err)
			}
			if got != s {
				s, left := got, time.Until(s.Expires)
				if left > overlap-30*time.Second || left < overlap-8*time.Minute-time.Second || s.Generation != 2 {
					t.Errorf("generation %d came %v before the end of the first", s.Generation, left)
				}
				break
			}
		}
		if n := b.fake.count("GET credential"); n != 2 {
			t.Errorf("%d credentials asked for, want 2", n)
		}
	})
}

func TestTooEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.reset()
		time.Sleep(time.Until(s.Expires) - 2*time.Hour)
		if n := b.fake.count("GET credential"); n != 0 {
			t.Errorf("credential asked for %d times before its time", n)
		}
		puts, looks := b.fake.count("PUT"), b.fake.count("GET role")
		if puts != looks || looks < 3 || looks > 4 {
			t.Errorf("%d looks at the role with %d tokens in 4 hours", looks, puts)
		}
	})
}

func TestOutageEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - overlap)
		b.fake.fail("", http.StatusServiceUnavailable)
		b.fake.reset()
		time.Sleep(time.Until(s.Expires) - time.Nanosecond)
		if got, err := b.Credentials(); got != s || err != nil {
			t.Errorf("in the last instant: %v, %v", got, err)
		}
		if got, err := b.Get(t.Context()); got != s || err != nil {
			t.Errorf("Get in the last instant: %v, %v", got, err)
		}
		// 22 to 30 minutes of one attempt a minute, but for the quick first ones.
		if n := b.fake.count("PUT"); n < 20 || n > 70 {
			t.Errorf("%d attempts in the overlap", n)
		}
		time.Sleep(time.Nanosecond)
		_, err := b.Credentials()
		wantKind(t, err, Expired)
	})
}

func TestOutagePastExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.fail("", http.StatusServiceUnavailable)
		time.Sleep(time.Until(s.Expires) + 3*time.Hour)
		b.fake.reset()
		for range 1000 { // many that want one do not make it worse
			_, err := b.Get(t.Context())
			wantKind(t, err, Expired)
		}
		if n := b.fake.count(""); n > 2 {
			t.Errorf("%d requests of 1,000 calls in an instant", n)
		}
		b.fake.heal()
		time.Sleep(time.Minute + time.Second)
		b.want(t, "STS.app.2")
		if logs := b.logs.String(); strings.Count(logs, "not refreshed") > 230 || !strings.Contains(logs, "had again") {
			t.Errorf("%d failures logged in 3½ hours, or no recovery", strings.Count(logs, "not refreshed"))
		}
	})
}

// Without Run, as in a one-shot command that takes long.
func TestGetRefreshesNearTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - urgent - time.Second)
		b.want(t, "STS.app.1")
		time.Sleep(2 * time.Second)
		b.want(t, "STS.app.2")
	})
}

func TestGetWaitsNoLongerThanItMustNearTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - 30*time.Second)
		b.fake.intercept(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			<-r.Context().Done()
			return true
		})
		begin := time.Now()
		b.want(t, "STS.app.1")
		if took := time.Since(begin); took > waitWhileValid {
			t.Errorf("waited %v", took)
		}
		time.Sleep(time.Until(s.Expires))
		_, err := b.Get(t.Context())
		wantKind(t, err, Expired)
	})
}

func TestExpiredAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.answer("GET credential", 200, credentialJSON("app", 7, time.Now().Add(-time.Minute)))
		_, err := b.Get(t.Context())
		wantKind(t, err, Expired)
		if !strings.Contains(err.(*Error).Hint, "clock") {
			t.Errorf("hint %q does not name the clock", err.(*Error).Hint)
		}
		b.fake.heal()
		time.Sleep(time.Minute)
		s := b.want(t, "STS.app.1")
		b.fake.answer("GET credential", 200, credentialJSON("app", 7, time.Now().Add(-time.Minute)))
		if got, err := b.Refresh(t.Context(), s.Generation); got != nil || kindOf(err) != Expired {
			t.Errorf("Refresh = %v, %v", got, err)
		}
		b.want(t, "STS.app.1")
	})
}

func TestAbsurdExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		tests := []struct {
			name, expiration string
			kind             Kind
		}{
			{"ten years", in(10 * 365 * 24 * time.Hour).UTC().Format(time.RFC3339), BadResponse},
			{"a bit over 12 h", in(12*time.Hour + time.Second).UTC().Format(time.RFC3339), BadResponse},
			{"12 h", in(12 * time.Hour).UTC().Format(time.RFC3339), -1},
			{"offset", in(5 * time.Hour).In(time.FixedZone("", 8*3600)).Format(time.RFC3339), -1},
			{"fraction", in(5 * time.Hour).UTC().Format(time.RFC3339Nano), -1},
			{"no zone", "2026-11-22T09:00:00", BadResponse},
			{"number", "1795000000", BadResponse},
			{"words", "tomorrow", BadResponse},
			{"31 February", "2027-02-31T00:00:00Z", BadResponse},
			{"now", in(0).UTC().Format(time.RFC3339), Expired},
			{"year 0", "0000-01-01T00:00:00Z", Expired},
			{"year 9999", "9999-12-31T23:59:59Z", BadResponse},
		}
		for _, tt := range tests {
			body := strings.Replace(credentialJSON("app", 1, time.Time{}), "0001-01-01T00:00:00Z", tt.expiration, 1)
			if g, err := parseCredential([]byte(body), "app", time.Now()); kindOf(err) != tt.kind || (err == nil && g.expires.Location() != time.UTC) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	})
}

// A stale answer, as from another node of the service, undoes no rotation.
func TestOlderAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - overlap - time.Minute)
		b.fake.answer("GET credential", 200, credentialJSON("app", 0, s.Expires.Add(-time.Hour)))
		b.fake.reset()
		time.Sleep(20 * time.Minute)
		b.want(t, "STS.app.1")
		if n := b.fake.count("GET credential"); n < 3 || n > 20 {
			t.Errorf("asked %d times, want every 1 to 3 minutes", n)
		}
		b.fake.heal()
		time.Sleep(3 * time.Minute)
		b.want(t, "STS.app.2")
	})
}

// The service has no new credential yet when it is asked for one.
func TestSameAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.early = 10 * time.Minute // and not 30
		b.start(t)
		s := b.want(t, "STS.app.1")
		time.Sleep(time.Until(s.Expires) - 10*time.Minute)
		b.fake.reset()
		time.Sleep(3*time.Minute + time.Second)
		b.want(t, "STS.app.2")
		if n := b.fake.count("GET credential"); n != 1 {
			t.Errorf("asked %d times in 3 minutes", n)
		}
		if logs := b.logs.String(); strings.Contains(logs, "level=WARN") {
			t.Errorf("the same credential again is no failure:\n%s", logs)
		}
	})
}

func TestJitter(t *testing.T) {
	end := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	buckets := map[int64]int{}
	for range 1000 {
		at := adviseRole(end.Add(-6*time.Hour), end)
		if left := end.Sub(at); left > overlap-30*time.Second || left < overlap-8*time.Minute {
			t.Fatalf("refresh %v before the end", left)
		}
		buckets[at.Unix()]++
	}
	for _, n := range buckets {
		if n > 20 {
			t.Errorf("%d of 1,000 instances ask in one second", n)
		}
	}
}

func TestSchedules(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for range 200 {
		for n, limits := range [][2]time.Duration{1: {1, 3}, 2: {2, 6}, 3: {4, 12}, 4: {8, 24}, 5: {16, 48}, 6: {30, 60}, 999: {30, 60}} {
			if limits[1] == 0 {
				continue
			}
			if d := backoff(n); d < limits[0]*time.Second || d > limits[1]*time.Second {
				t.Fatalf("backoff(%d) = %v", n, d)
			}
		}
		for _, life := range []time.Duration{2 * time.Second, time.Minute, 20 * time.Minute, 31 * time.Minute, time.Hour, 12 * time.Hour} {
			for _, f := range []advise{adviseRole, adviseAssumed} {
				at := f(now, now.Add(life)).Sub(now)
				if at < life/2 || at >= life {
					t.Fatalf("life %v: asks after %v", life, at)
				}
			}
		}
		if left := now.Add(time.Hour).Sub(adviseAssumed(now, now.Add(time.Hour))); left < 6*time.Minute || left > 7*time.Minute {
			t.Fatalf("assumed for 1 h: asks %v before the end", left)
		}
		if left := now.Add(15 * time.Minute).Sub(adviseAssumed(now, now.Add(15*time.Minute))); left < 5*time.Minute || left > 6*time.Minute {
			t.Fatalf("assumed for 15 min: asks %v before the end", left)
		}
		for n, limit := range [][2]time.Duration{{27, 33}, {27, 33}, {54, 66}, {108, 132}, {216, 264}, {270, 330}, {270, 330}} {
			if d := suspicion(n); d < limit[0]*time.Second || d > limit[1]*time.Second {
				t.Fatalf("suspicion(%d) = %v", n, d)
			}
		}
		if d := sameAgain(time.Minute); d > 30*time.Second {
			t.Fatalf("sameAgain with a minute left = %v", d)
		}
	}
}

// Many requests fail with one credential: one refresh.
func TestRefusedCredential(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.fake.reset()
		b.fake.rotate()
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				got, err := b.Refresh(t.Context(), s.Generation)
				if err != nil || got.AccessKeyID != "STS.app.2" || got.Generation != 2 {
					t.Errorf("Refresh = %v, %v", got, err)
				}
			})
		}
		wg.Wait()
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
		if got, err := b.Refresh(t.Context(), s.Generation); err != nil || got.Generation != 2 {
			t.Errorf("late report of the old generation: %v, %v", got, err)
		}
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app")
	})
}

// The successor of a refused credential may end no later.
func TestRefusedCredentialReplacedBySameExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.fake.answer("GET credential", 200, credentialJSON("app", 9, s.Expires))
		if got, err := b.Refresh(t.Context(), s.Generation); err != nil || got.AccessKeyID != "STS.app.9" {
			t.Errorf("Refresh = %v, %v", got, err)
		}
	})
}

func TestPersistentRefusal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.reset()
		for range 600 { // a refusal every second, ten minutes long
			got, err := b.Refresh(t.Context(), s.Generation)
			if err != nil || got.Generation != s.Generation {
				t.Fatalf("Refresh = %v, %v", got, err)
			}
			time.Sleep(time.Second)
		}
		if n := b.fake.count("GET credential"); n < 3 || n > 6 {
			t.Errorf("asked %d times in 10 minutes, want growing waits of 30 s to 5 min", n)
		}
		b.fake.rotate()
		time.Sleep(6 * time.Minute)
		b.want(t, "STS.app.2")
	})
}

// New generations that are refused at once are replaced every 10 s at most.
func TestForcedRefreshesAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.fake.early = 7 * time.Hour // a new one each time
		b.fake.reset()
		begin := time.Now()
		for time.Since(begin) < time.Minute {
			b.Invalidate(s.Generation)
			time.Sleep(100 * time.Millisecond)
			s, _ = b.Get(t.Context())
		}
		if n := b.fake.count("GET credential"); n != 6 {
			t.Errorf("%d forced refreshes in a minute, want 6", n)
		}
	})
}

func TestInvalidateStrangers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.Invalidate(0)
		b.Invalidate(1)
		synctest.Wait()
		b.fake.wantRequests(t)
		s := b.want(t, "STS.app.1")
		b.fake.reset()
		b.Invalidate(s.Generation + 1)
		b.Invalidate(s.Generation - 1)
		synctest.Wait()
		b.fake.wantRequests(t)
	})
}

// The machine sleeps: its wall clock is 7 hours on, its monotonic one is not.
func TestSuspend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var slept atomic.Int64
		wall := func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		b := newBench(t, func(o *Options) { o.wall = wall })
		b.fake.now = wall
		stop := b.start(t)
		b.want(t, "STS.app.1")
		stop()
		slept.Store(int64(7 * time.Hour))
		time.Sleep(time.Second)
		_, err := b.Credentials()
		wantKind(t, err, Expired)
		b.want(t, "STS.app.2")

		b.start(t) // and by itself, after the next sleep
		time.Sleep(time.Minute)
		slept.Store(int64(15 * time.Hour))
		time.Sleep(tick + time.Second)
		if s, err := b.Credentials(); err != nil || s.AccessKeyID != "STS.app.3" {
			t.Errorf("half a minute after waking up: %v, %v", s, err)
		}
	})
}

// A refresh that is in its backoff when the machine sleeps is not late.
func TestSuspendEndsBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var slept atomic.Int64
		wall := func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		b := newBench(t, func(o *Options) { o.wall = wall })
		b.fake.now = wall
		b.fake.fail("", http.StatusServiceUnavailable)
		b.start(t)
		time.Sleep(10 * time.Minute)
		b.fake.heal()
		slept.Store(int64(time.Hour))
		time.Sleep(tick + time.Second)
		b.want(t, "STS.app.1")
	})
}

func TestRoleSwapped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
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
				dir := t.TempDir()
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
		dir := t.TempDir()
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
		dir := t.TempDir()
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

func TestShutdown(t *testing.T) {
	for _, hang := range []string{"PUT token", "GET role", "GET credential app", "GET document"} {
		t.Run(hang, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t, cached(t.TempDir()))
				b.fake.intercept(func(_ http.ResponseWriter, r *http.Request, what string) bool {
					if what == hang {
						<-r.Context().Done()
					}
					return false
				})
				stop := b.start(t)
				time.Sleep(100 * time.Millisecond)
				begin := time.Now()
				stop()
				if took := time.Since(begin); took > 0 {
					t.Errorf("Run took %v to return", took)
				}
				b.fake.heal()
				b.want(t, "STS.app.1") // whoever still wants one gets it
			})
		})
	}
}

// Run ends in the middle of a refresh that somebody else waits for.
func TestShutdownLeavesWaiters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(time.Second)
			return false
		})
		stop := b.start(t)
		var wg sync.WaitGroup
		wg.Go(func() { b.want(t, "STS.app.1") })
		time.Sleep(500 * time.Millisecond)
		stop()
		wg.Wait()
	})
}

func TestRunFailsOnBadOptions(t *testing.T) {
	err := New(Options{Role: "a b"}).Run(t.Context())
	wantKind(t, err, Misconfigured)
}

// Off the cloud, the address leads nowhere.
func TestOffCloud(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, func(o *Options) {
			o.CacheDir = t.TempDir()
			o.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				t := time.NewTimer(dialTimeout)
				defer t.Stop()
				select {
				case <-t.C:
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		begin := time.Now()
		_, err := b.Identity(t.Context())
		if took := time.Since(begin); took > attemptTimeout {
			t.Errorf("took %v", took)
		}
		wantKind(t, err, Unreachable)
		if !strings.Contains(err.(*Error).Hint, "ECS") {
			t.Errorf("hint %q does not say where this works", err.(*Error).Hint)
		}
	})
}

// The dialer itself lets nothing go elsewhere, whatever the options say.
func TestDialsNobodyElse(t *testing.T) {
	m := newMetadata(&Options{Endpoint: "http://192.0.2.1"}, &clock{wall: time.Now})
	_, err := m.open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not the metadata service's") {
		t.Errorf("open = %v", err)
	}
}

// 24 hours with faults: no reader fails while a valid credential exists, and
// the service is hardly asked.
func TestSoak(t *testing.T) {
	for seed := range uint64(4) {
		bubble(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			b := newBench(t)
			b.fake.intercept(func(w http.ResponseWriter, r *http.Request, what string) bool {
				b.fake.mu.Lock()
				dice := rnd.IntN(20)
				b.fake.mu.Unlock()
				switch dice {
				case 0:
					w.WriteHeader(http.StatusServiceUnavailable)
				case 1:
					panic(http.ErrAbortHandler)
				case 2:
					<-r.Context().Done()
				case 3:
					_, _ = w.Write([]byte("<html>"))
				case 4:
					_, _ = w.Write([]byte(`{"Code":"Success","AccessKeyId":`))
				case 5:
					w.WriteHeader(http.StatusUnauthorized)
				default:
					return false
				}
				return true
			})
			begin := time.Now()
			b.start(t)
			time.Sleep(5 * time.Minute)
			rotating := 0
			var held *Snapshot
			for time.Since(begin) < 24*time.Hour {
				s, err := b.Credentials()
				if err != nil || !consistent(s) || !s.Expires.After(time.Now()) {
					t.Fatalf("seed %d, %v: %v, %v", seed, time.Since(begin), s, err)
				}
				if s2, err := b.Get(t.Context()); err != nil || s2.Generation < s.Generation {
					t.Fatalf("seed %d, %v: Get = %v, %v", seed, time.Since(begin), s2, err)
				}
				before := b.fake.count("")
				time.Sleep(10 * time.Second)
				if held != nil && time.Until(held.Expires) < overlap {
					rotating += b.fake.count("") - before
				}
				held = s
			}
			if gen := b.fake.gen; gen < 5 {
				t.Errorf("seed %d: %d generations in 24 h", seed, gen)
			}
			if n := b.fake.count("") - rotating; n > 3*24 {
				t.Errorf("seed %d: %d requests in 24 h besides rotations", seed, n)
			}
			noSecrets(t, b.logs.String())
		})
	}
}

// 10,000 refreshes leave nothing behind.
func TestRefreshesDoNotLeak(t *testing.T) {
	f := newFake()
	f.early = 7 * time.Hour
	var open atomic.Int64
	b := benchOn(t, f, func(o *Options) {
		o.Logger, o.Role = nil, "app"
		o.dial = func(context.Context, string, string) (net.Conn, error) {
			open.Add(1)
			return &cannedConn{h: f, open: &open, ready: make(chan struct{}), closed: make(chan struct{})}, nil
		}
	})
	refresh := func() {
		fl := b.top.join(false)
		if err := fl.wait(context.Background(), false); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	before := settled()
	for range 10_000 {
		refresh()
	}
	if after := settled(); after > before {
		t.Errorf("%d goroutines after 10,000 refreshes, %d after one", after, before)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections left open", n)
	}
	if s, err := b.Credentials(); err != nil || f.gen != 10_001 || !consistent(s) {
		t.Errorf("generation %d, %v", f.gen, err)
	}
}

// A cannedConn is the client's end of a connection, and the server's: it
// answers one request when it has been written.
type cannedConn struct {
	net.Conn // not there: no other method is called
	h        http.Handler
	open     *atomic.Int64
	request  bytes.Buffer
	answer   bytes.Buffer
	ready    chan struct{}
	closed   chan struct{}
	once     sync.Once
}

func (c *cannedConn) Write(p []byte) (int, error) {
	c.request.Write(p)
	if bytes.HasSuffix(c.request.Bytes(), []byte("\r\n\r\n")) {
		req, err := http.ReadRequest(bufio.NewReader(&c.request))
		if err != nil {
			return 0, err
		}
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, req)
		if err := w.Result().Write(&c.answer); err != nil {
			return 0, err
		}
		close(c.ready)
	}
	return len(p), nil
}

func (c *cannedConn) Read(p []byte) (int, error) {
	select {
	case <-c.ready:
		return c.answer.Read(p)
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *cannedConn) Close() error {
	c.once.Do(func() {
		c.open.Add(-1)
		close(c.closed)
	})
	return nil
}

// settled returns the number of goroutines once it does not fall any more.
func settled() int {
	n := runtime.NumGoroutine()
	for range 50 {
		time.Sleep(2 * time.Millisecond)
		if m := runtime.NumGoroutine(); m < n {
			n = m
		}
	}
	return n
}

func BenchmarkCredentials(b *testing.B) {
	p := benchOn(b, newFake())
	if _, err := p.Get(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, err := p.Credentials(); err != nil || s == nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if s, err := p.Credentials(); err != nil || s == nil {
					b.Error(err)
				}
			}
		})
	})
}
