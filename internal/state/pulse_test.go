package state

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A stop is a change that does not return before its channel is closed.
type stop struct{ begun, end chan struct{} }

func (s stop) apply(*writer, *op) error {
	close(s.begun)
	<-s.end
	return nil
}

func TestPulse(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir(), Options{})
	if err := db.Pulse(t.Context()); err != nil {
		t.Errorf("pulse of an idle index: %v", err)
	}
	s := stop{make(chan struct{}), make(chan struct{})}
	if err := db.send(t.Context(), &op{view: db.self, change: s}); err != nil {
		t.Fatal(err)
	}
	<-s.begun
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	if err := db.Pulse(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("pulse of a stuck index: %v", err)
	}
	db.mending.Store(true)
	if err := db.Pulse(t.Context()); err != nil {
		t.Errorf("pulse of an index that is being made anew: %v", err)
	}
	db.mending.Store(false)
	close(s.end)
	if err := db.Pulse(t.Context()); err != nil {
		t.Errorf("pulse of an index that goes on: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Pulse(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("pulse of a closed index: %v", err)
	}
}
