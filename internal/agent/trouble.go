package agent

import (
	"context"
	"fmt"
	"time"
)

// troubleTime is how long one pass waits for an index that cannot be written.
// The running agent waits as long as it takes.
const troubleTime = 10 * time.Second

// A troubled is an index that can be written or not.
type troubled interface {
	// Trouble returns why nothing can be written at the moment, nil when all is well.
	Trouble() error
}

// trouble returns why nothing can be recorded, nil when it can.
func (p *pipeline) trouble() error {
	ix, ok := p.index.(troubled)
	if !ok {
		return nil
	}
	if err := ix.Trouble(); err != nil {
		return fmt.Errorf("index: cannot be written: %w", err)
	}
	return nil
}

// giveUp fails when nothing could be recorded for troubleTime, and ends with ctx.
func (p *pipeline) giveUp(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			err := p.trouble()
			switch {
			case err == nil:
				since = time.Time{}
			case since.IsZero():
				since = now
			case now.Sub(since) >= troubleTime:
				return err
			}
		}
	}
}
