package creds

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestClockOffset(t *testing.T) {
	tests := []struct {
		name string
		off  time.Duration // of this machine's clock
		warn bool
	}{
		{"right", 0, false},
		{"a little off", 50 * time.Second, false},
		{"a minute fast", 65 * time.Second, true},
		{"nine minutes slow", -9 * time.Minute, true},
		{"eight hours fast, as with a BIOS in local time", 8 * time.Hour, true},
		{"eight hours slow", -8 * time.Hour, true},
		{"years slow, as without a battery", -6 * 365 * 24 * time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t, func(o *Options) {
					o.wall = func() time.Time { return time.Now().Add(tt.off) }
				})
				b.start(t)
				s := b.want(t, "STS.app.1")
				if got := b.Offset(); (got + tt.off).Abs() > time.Second {
					t.Errorf("Offset = %v, want %v", got, -tt.off)
				}
				if warned := strings.Contains(b.logs.String(), "clock is wrong"); warned != tt.warn {
					t.Errorf("warned: %v, want %v", warned, tt.warn)
				}
				time.Sleep(time.Until(s.Expires) + time.Minute) // in true time
				b.want(t, "STS.app.2")
			})
		})
	}
}

func TestObserveDate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		if b.Offset() != 0 {
			t.Errorf("Offset = %v before anything was seen", b.Offset())
		}
		b.ObserveDate(time.Now().Add(20 * time.Minute).Truncate(time.Second))
		if got := b.Offset(); (got - 20*time.Minute).Abs() > time.Second {
			t.Errorf("Offset = %v, want 20m", got)
		}
		b.ObserveDate(time.Unix(0, 0))
		b.ObserveDate(time.Time{})
		if got := b.Offset(); (got - 20*time.Minute).Abs() > time.Second {
			t.Errorf("Offset = %v after a senseless date", got)
		}
	})
}

// OSS may be wrong about the time; the one who issues a credential is not, as
// far as its expiry goes.
func TestMetadataClockDecidesExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.want(t, "STS.app.1")
		b.ObserveDate(time.Now().Add(24 * time.Hour))
		if got, err := b.Get(t.Context()); got != s || err != nil {
			t.Errorf("Get = %v, %v after a wrong date from OSS", got, err)
		}
		if b.Offset() < 23*time.Hour {
			t.Errorf("Offset = %v: requests to OSS need its time", b.Offset())
		}
	})
}

// The clock is set right while the agent runs.
func TestClockIsSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var off atomic.Int64
		off.Store(int64(8 * time.Hour))
		b := newBench(t, func(o *Options) {
			o.wall = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		})
		b.start(t)
		s := b.want(t, "STS.app.1")
		off.Store(0)
		b.fake.intercept(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header()["Date"] = nil // what was learnt is forgotten, not learnt anew
			return false
		})
		time.Sleep(tick + jumped + time.Second)
		if got := b.Offset(); got.Abs() > time.Second {
			t.Errorf("Offset = %v after the clock was set", got)
		}
		time.Sleep(time.Until(s.Expires) - overlap - time.Minute)
		b.want(t, "STS.app.1")
	})
}
