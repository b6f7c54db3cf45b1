package creds

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Many requests fail with one credential: one refresh.
func TestRefusedCredential(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.fake.reset()
		b.fake.rotate()
		if got, err := b.Credentials(); got != s || err != nil {
			t.Errorf("Credentials = %v, %v", got, err)
		}
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
		if got, err := b.Credentials(); err != nil || got.Generation != 2 {
			t.Errorf("Credentials right after Refresh = %v, %v", got, err)
		}
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
