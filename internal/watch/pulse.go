package watch

import "context"

// Pulse returns nil when the watcher has shown that it is alive: the goroutine
// that hands paths to the sink has come round, and a change of the watcher's
// own has come back from the operating system, if that is asked. A scan is not
// waited for, since a full sink may hold it up for hours; nor are events after
// some were lost, for then there will be a fresh source. It needs Run to be
// running; the error is ctx.Err().
func (w *Watcher) Pulse(ctx context.Context) error {
	select {
	case <-w.pending.pulse():
	case <-ctx.Done():
		return ctx.Err()
	}
	src := w.source()
	if src == nil || w.wanted() {
		return nil
	}
	// An error of the source itself is an answer: another will replace it.
	if _ = src.cookie(ctx); ctx.Err() != nil && !w.wanted() {
		return ctx.Err()
	}
	return nil
}

// pulse returns a channel that takeFiles closes when it is called or woken.
func (p *pending) pulse() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan struct{})
	p.pulses = append(p.pulses, c)
	wake(p.wakeFiles)
	return c
}

// answer ends the pulses. The mutex is held.
func (p *pending) answer() {
	for _, c := range p.pulses {
		close(c)
	}
	p.pulses = nil
}
