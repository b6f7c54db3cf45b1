package upload

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// serve simulates a server for rounds of requests and returns the limit that a
// tuner ends up with. The server tells how long a request takes and what share
// of them it refuses when so many run at once.
func serve(max, rounds int, server func(running int) (took time.Duration, refused float64)) *tuner {
	tu := newTuner(max)
	now := time.Unix(0, 0)
	debt := 0.0
	for range rounds {
		n := tu.limit
		took, refused := server(n)
		now = now.Add(took)
		for range n {
			tu.wanted = true
			fail := false
			if debt += refused; debt >= 1 {
				debt--
				fail = true
			}
			tu.observe(now, took, 4096, fail)
		}
	}
	return tu
}

func TestTuner(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name     string
		max      int
		server   func(int) (time.Duration, float64)
		low, top int
	}{
		{"far away: more is faster", 64, func(int) (time.Duration, float64) { return 20 * ms, 0 }, 64, 64},
		{"one in twenty fails", 64, func(int) (time.Duration, float64) { return 20 * ms, 0.05 }, 56, 64},
		{"line is full with 16", 256, func(n int) (time.Duration, float64) {
			return time.Duration(max(n, 16)) * ms, 0
		}, 8, 40},
		{"server refuses above 20", 128, func(n int) (time.Duration, float64) {
			return 20 * ms, float64(max(n-20, 0)) / float64(n)
		}, 12, 26},
		{"nearby, and it can serve no more: nobody waits", 64, func(n int) (time.Duration, float64) {
			return time.Duration(n) * ms / 8, 0
		}, 48, 64},
		{"server refuses all", 64, func(int) (time.Duration, float64) { return ms, 1 }, leastLimit, leastLimit},
		{"small maximum", 1, func(int) (time.Duration, float64) { return ms, 0.5 }, 1, 1},
	}
	for _, tt := range tests {
		tu := serve(tt.max, 2000, tt.server)
		limit := tu.limit
		if tu.trial > 0 { // what is on trial has not been judged yet
			limit = tu.trial
		}
		if limit < tt.low || limit > tt.top {
			t.Errorf("%s: limit %d, want %d to %d", tt.name, limit, tt.low, tt.top)
		}
	}
}

// From 8 to 64 in three rounds: the first request's begin is that of the first.
func TestTunerClimb(t *testing.T) {
	if tu := serve(64, 3, func(int) (time.Duration, float64) { return 20 * time.Millisecond, 0 }); tu.limit != 64 {
		t.Errorf("limit %d after 60 ms, want 64", tu.limit)
	}
}

// One refusal in twenty is no reason to ask for less.
func TestTunerFewRefusals(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	low := 0
	tu := newTuner(64)
	now := time.Unix(0, 0)
	for range 3000 {
		now = now.Add(20 * time.Millisecond)
		for range tu.limit {
			tu.wanted = true
			tu.observe(now, 20*time.Millisecond, 4096, rnd.Float64() < 0.05)
		}
		if tu.limit < 48 {
			low++
		}
	}
	if tu.limit < 48 || low > 100 {
		t.Errorf("limit %d, below 48 for %d of 3000 rounds", tu.limit, low)
	}
}

// What keeps this machine busy at times is no reason to ask for less, for no
// request takes longer.
func TestTunerBusyMachine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	tu := newTuner(64)
	now := time.Unix(0, 0)
	for range 40 {
		now = now.Add(time.Duration(20+rnd.IntN(180)) * time.Millisecond)
		for range tu.limit {
			tu.wanted = true
			tu.observe(now, 20*time.Millisecond, 4096, false)
		}
	}
	if tu.limit != 64 {
		t.Errorf("limit %d, want 64", tu.limit)
	}
}

// A server that becomes slower while it refuses nothing is asked for less.
func TestTunerRisingLatency(t *testing.T) {
	rounds := 0
	tu := serve(64, 1000, func(n int) (time.Duration, float64) {
		if rounds++; rounds < 200 {
			return 20 * time.Millisecond, 0
		}
		return max(20*time.Millisecond, time.Duration(n)*5*time.Millisecond), 0
	})
	if tu.limit > 16 {
		t.Errorf("limit %d, want 16 at most", tu.limit)
	}
}

// After large files come small ones, which take longer for what they hold.
func TestTunerSmallAfterLarge(t *testing.T) {
	tu := newTuner(64)
	now := time.Unix(0, 0)
	for round := range 400 {
		took, sent := 20*time.Millisecond, int64(4096)
		if round < 100 {
			took, sent = time.Duration(tu.limit)*20*time.Millisecond, 8<<20
		}
		now = now.Add(took)
		for range tu.limit {
			tu.wanted = true
			tu.observe(now, took, sent, false)
		}
	}
	if tu.limit < 48 {
		t.Errorf("limit %d, want it near 64", tu.limit)
	}
}

// A server that recovers gets its requests back.
func TestTunerRecovers(t *testing.T) {
	rounds := 0
	tu := serve(64, 3000, func(int) (time.Duration, float64) {
		if rounds++; rounds < 200 {
			return time.Millisecond, 1
		}
		return 20 * time.Millisecond, 0
	})
	if tu.limit < 48 {
		t.Errorf("limit %d, want it back near 64", tu.limit)
	}
}

// Without demand there is nothing to learn from.
func TestTunerIdle(t *testing.T) {
	tu := newTuner(64)
	now := time.Unix(0, 0)
	for range 1000 {
		now = now.Add(20 * time.Millisecond)
		tu.observe(now, 20*time.Millisecond, 4096, false)
	}
	if tu.limit != firstLimit {
		t.Errorf("limit %d without demand, want %d", tu.limit, firstLimit)
	}
}

// Parts never take all places, and small requests never keep parts out.
func TestGateShares(t *testing.T) {
	t.Run("both kinds", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { share(t, 2) }) })
	t.Run("parts only", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { share(t, 1) }) })
}

// share makes requests of one kind, parts, or of both, wait at a gate.
func share(t *testing.T, kinds int) {
	g := newGate(8)
	var mu sync.Mutex
	var running, done [2]int
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 64 {
		kind := forPart
		if kinds == 2 {
			kind = i % 2
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				g.pass(ctx, kind, func() (int64, error) {
					mu.Lock()
					running[kind]++
					if running[forPart] > 6 || running[0]+running[1] > 8 {
						t.Errorf("%d small requests and %d parts at once", running[forSmall], running[forPart])
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					running[kind]--
					done[kind]++
					mu.Unlock()
					return 1, nil
				})
			}
		})
	}
	time.Sleep(time.Second)
	cancel()
	wg.Wait()
	if small, parts := done[forSmall], done[forPart]; kinds == 2 && min(small, parts)*3 < max(small, parts) {
		t.Errorf("%d small requests and %d parts done: one kind starves", small, parts)
	}
	if g.running != 0 || g.parts != 0 || len(g.waiting[0])+len(g.waiting[1]) != 0 {
		t.Errorf("gate not empty in the end: %+v", g)
	}
}

// Whoever gives up waiting leaves no place taken.
func TestGateCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			g.pass(t.Context(), forSmall, func() (int64, error) { <-release; return 0, nil })
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := g.pass(ctx, forPart, func() (int64, error) { t.Error("was let in"); return 0, nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pass = %v", err)
		}
		close(release)
		wg.Wait()
		ran := false
		g.pass(t.Context(), forPart, func() (int64, error) { ran = true; return 0, nil })
		if !ran || g.running != 0 {
			t.Errorf("gate is stuck: %+v", g)
		}
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := newBudget(size)
		var mu sync.Mutex
		var held, parts, most int64
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				for k := range 20 {
					n := int64((i*7919+k*104729)%(300<<10) + 1)
					get := b.get
					if i%2 == 1 {
						get = b.getPart
					}
					buf, err := get(t.Context(), n)
					if err != nil || int64(len(buf.data)) != n {
						t.Errorf("get(%d) = %v, %v", n, buf, err)
						return
					}
					weight := int64(cap(buf.data))
					mu.Lock()
					held += weight
					if i%2 == 1 {
						parts += weight
					}
					most = max(most, held)
					if held > size || parts > size/2 {
						t.Errorf("%d bytes held, %d of them by parts", held, parts)
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					held -= weight
					if i%2 == 1 {
						parts -= weight
					}
					mu.Unlock()
					b.put(buf)
				}
			})
		}
		wg.Wait()
		if most < size/2 {
			t.Errorf("at most %d of %d bytes were in use", most, size)
		}
		if _, err := b.get(t.Context(), size+1); err == nil {
			t.Error("a buffer larger than the budget was given")
		}
		for range 3 { // a part larger than the share of parts is served alone
			buf, err := b.getPart(t.Context(), size)
			if err != nil {
				t.Fatal(err)
			}
			b.put(buf)
		}
		if !b.all.TryAcquire(size) || !b.parts.TryAcquire(size/2) {
			t.Error("something was not given back")
		}
	})
}
