package creds

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAdvisoryRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start(t)
		s := b.want(t, "STS.app.1")
		b.fake.intercept(func(http.ResponseWriter, *http.Request, string) bool {
			time.Sleep(100 * time.Millisecond)
			return false
		})
		time.Sleep(time.Until(s.Expires) - overlap)
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
		b.fake.answer("GET credential", 200, credentialJSON("app", 0, s.Expires.Add(-time.Minute)))
		b.fake.reset()
		time.Sleep(20 * time.Minute)
		b.want(t, "STS.app.1")
		if n := b.fake.count("GET credential"); n < 3 || n > 21 {
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
