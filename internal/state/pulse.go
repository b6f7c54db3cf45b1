package state

import "context"

// Pulse returns nil when the committer has answered: it is alive. It answers
// between two commits, and while it waits to try one again, so neither a full
// disk nor any number of changes keeps it. Of an index that is being built anew,
// which can take minutes, nothing is asked. The error is ctx.Err() or ErrClosed.
func (db *DB) Pulse(ctx context.Context) error {
	if db.mending.Load() {
		return nil
	}
	answer := make(chan struct{})
	select {
	case db.pulses <- answer:
		<-answer // which whoever took it does at once
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stopped:
		return ErrClosed
	}
}
