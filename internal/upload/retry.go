package upload

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	partTries     = 5                      // of one part, before the whole job is given back
	firstWait     = 200 * time.Millisecond // before the second try, at most; it doubles
	longestWait   = 10 * time.Second
	patience      = 30 * time.Second       // a longer wait that the server asks for is left to the queue
	cleanupTime   = 10 * time.Second       // for what must be undone after a failure
	endTime       = 700 * time.Millisecond // the same after the end of the context: somebody waits
	abortAttempts = 3
)

// retry repeats an operation while it fails in a way that may pass, a few
// times, with full jitter.
func retry(ctx context.Context, tries int, op func() error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := op()
		e, ok := errors.AsType[*RequestError](err)
		if !ok || e.Class != Transient || try == tries || e.RetryAfter > patience || errors.Is(err, ErrMismatch) {
			return err
		}
		if sleep(ctx, max(rand.N(wait), e.RetryAfter)) != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}

// cleanup returns a context to undo in what was begun, whether ctx has ended or
// not.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := cleanupTime
	if ctx.Err() != nil {
		limit = endTime
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// sleep waits for d or the end of ctx, whose error it returns then.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
