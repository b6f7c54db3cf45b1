package watch

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// A gate is a sink that can be held up.
type gate struct {
	hint, list       atomic.Pointer[chan struct{}] // closed to let go; nil lets pass
	hinting, listing atomic.Int64
}

func (g *gate) Hint(string, Cause) {
	g.hinting.Add(1)
	if c := g.hint.Load(); c != nil {
		<-*c
	}
}

func (g *gate) Listed(ctx context.Context, _ Listing) error {
	g.listing.Add(1)
	c := g.list.Load()
	if c == nil {
		return nil
	}
	select {
	case <-*c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) Scanned(context.Context, Scan) error { return nil }

// TestPulse holds up one stage after the other.
func TestPulse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := &gate{}
	w := New(dir, g, Options{PrivateDir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	defer func() { cancel(); <-done }()
	must(t, w.Pulse(t.Context()))

	// A sink that takes no listings is full, as in an outage: that is no fault.
	waitUntil(t, func() bool { return w.Stats().Scans > 0 })
	full := make(chan struct{})
	g.list.Store(&full)
	before := g.listing.Load()
	w.Rescan()
	waitUntil(t, func() bool { return g.listing.Load() > before })
	must(t, w.Pulse(t.Context()))
	g.list.Store(nil)
	close(full)

	// One that does not return from a hint is.
	if w.Stats().Mode == "poll" {
		return // which hints nothing
	}
	stuck := make(chan struct{})
	g.hint.Store(&stuck)
	must(t, write(dir+"/file", "1"))
	waitUntil(t, func() bool { return g.hinting.Load() > 0 })
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	if err := w.Pulse(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("pulse of a stuck watcher: %v", err)
	}
	g.hint.Store(nil)
	close(stuck)
	must(t, w.Pulse(t.Context()))
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited a minute")
		}
	}
}
