package creds

import (
	"slices"
	"testing"
	"time"
)

func TestTerminationTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		if at, set, err := b.TerminationTime(t.Context()); set || err != nil {
			t.Errorf("none set: %v, %v, %v", at, set, err)
		}
		b.fake.wantRequests(t, "PUT token", "GET termination")
		b.fake.answer("GET termination", 200, "2026-01-05T18:02:00Z\n")
		want := time.Date(2026, 1, 5, 18, 2, 0, 0, time.UTC)
		if at, set, err := b.TerminationTime(t.Context()); !set || err != nil || !at.Equal(want) {
			t.Errorf("set: %v, %v, %v", at, set, err)
		}
		b.fake.answer("GET termination", 200, "soon")
		_, _, err := b.TerminationTime(t.Context())
		wantKind(t, err, BadResponse)
		b.fake.fail("GET termination", 500)
		_, _, err = b.TerminationTime(t.Context())
		wantKind(t, err, Unreachable)
	})
}

// TestLooksKeepTheirToken wants one request a minute, and one more in six
// hours.
func TestLooksKeepTheirToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		for range 24 * 60 {
			if _, set, err := b.TerminationTime(t.Context()); set || err != nil {
				t.Fatalf("TerminationTime = %v, %v", set, err)
			}
			time.Sleep(time.Minute)
		}
		if n := b.fake.count("GET"); n != 24*60 {
			t.Errorf("%d looks in a day, want %d", n, 24*60)
		}
		if n := b.fake.count("PUT"); n != 5 {
			t.Errorf("%d tokens in a day, want 5", n)
		}
		for i, what := range b.fake.requests() {
			if ttl := b.fake.headers[i].Get(tokenTTLHeader); what == "PUT token" && ttl != "21600" {
				t.Errorf("lifetime of %s s asked for, want 21600", ttl)
			}
		}
	})
}

func TestLookWithRefusedToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		look := func(fails bool, want ...string) {
			t.Helper()
			b.fake.reset()
			if _, _, err := b.TerminationTime(t.Context()); (err != nil) != fails {
				t.Errorf("TerminationTime: %v", err)
			}
			if got := b.fake.requests(); !slices.Equal(got, want) {
				t.Errorf("requests = %q, want %q", got, want)
			}
		}
		look(false, "PUT token", "GET termination")
		b.fake.set(func() { clear(b.fake.tokens) })
		look(false, "GET termination", "PUT token", "GET termination")
		look(false, "GET termination")
		b.fake.fail("GET termination", 401)
		look(true, "GET termination", "PUT token", "GET termination")
		look(true, "PUT token", "GET termination")
		look(true, "PUT token", "GET termination")
		b.fake.heal()
		look(false, "PUT token", "GET termination")
		b.fake.fail("PUT", 403)
		look(false, "GET termination")
	})
}
