package box

import (
	"context"
	"time"
)

// Wait waits until the bucket's objects are as ok wants them, or ctx is done. It
// returns what it saw last.
func (b *Box) Wait(ctx context.Context, ok func(map[string]Object) bool) (map[string]Object, error) {
	for {
		start := time.Now()
		objects, err := b.Objects()
		if err != nil || ok(objects) {
			return objects, err
		}
		// Many objects take a while to list. What is waited for needs the time.
		select {
		case <-time.After(max(10*time.Millisecond, 4*time.Since(start))):
		case <-ctx.Done():
			return objects, ctx.Err()
		}
	}
}
