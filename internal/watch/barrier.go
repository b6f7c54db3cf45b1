package watch

import "context"

// Barrier returns when every change that was made before the call, as far as
// the operating system reports changes, has been handed to the sink. What it
// does not report, the tree being polled or short of watches, is found by a
// scan that the barrier asks for and waits for. It needs Run to be running.
func (w *Watcher) Barrier(ctx context.Context) error {
	w.mu.Lock()
	src, begun := w.src, w.begun > 0
	w.mu.Unlock()
	if !begun {
		return w.pending.fence(ctx) // the first scan is still to come
	}
	full := src == nil
	if src != nil {
		if err := src.cookie(ctx); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			full = true
		}
		unwatched, _ := src.unwatched(0)
		full = full || len(unwatched) > 0
	}
	if full {
		if err := w.scanNow(ctx); err != nil {
			return err
		}
	}
	return w.pending.fence(ctx)
}

// scanNow waits for a scan that begins after the call.
func (w *Watcher) scanNow(ctx context.Context) error {
	w.mu.Lock()
	after := w.begun
	w.Rescan()
	for w.stats.Last.Number <= after {
		ended := w.ended
		w.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	return w.stats.Last.Err
}
