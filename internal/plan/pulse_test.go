package plan

import "testing"

func TestPulse(t *testing.T) {
	t.Parallel()
	q := NewQueue(Options{})
	if n := q.Pulse(); n != 0 {
		t.Errorf("%d lanes in a queue without any", n)
	}
	q.mu.Lock()
	released := false // which the mutex guards
	passed := make(chan bool)
	go func() { q.Pulse(); passed <- released }()
	released = true
	q.mu.Unlock()
	if !<-passed {
		t.Error("a pulse passed a held mutex")
	}
}
