package creds

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
		left := func() time.Duration {
			b.top.mu.Lock()
			defer b.top.mu.Unlock()
			return time.Until(b.top.retryAt)
		}
		for left() < tick+2*time.Second {
			time.Sleep(time.Second)
		}
		b.fake.heal()
		slept.Store(int64(time.Hour))
		time.Sleep(tick + time.Second)
		b.want(t, "STS.app.1")
	})
}

func TestShutdown(t *testing.T) {
	for _, hang := range []string{"PUT token", "GET role", "GET credential app", "GET document"} {
		t.Run(hang, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t, cached(tempCache(t)))
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
			o.CacheDir = tempCache(t)
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
			stop := b.start(t)
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
			stop()
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
