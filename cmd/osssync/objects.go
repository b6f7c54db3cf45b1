package main

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/bucket"
	"github.com/osssync/osssync/internal/upload"
)

const (
	listTries = 6                      // in a row, of one page of a listing
	listWait  = 500 * time.Millisecond // before the second, then twice as long each time
)

// objects yields what a bucket holds below a prefix, in byte order. A listing
// of millions of objects takes thousands of requests, so one that fails for a
// moment is repeated from where it was.
func (s *session) objects(ctx context.Context, name, prefix string) iter.Seq2[agent.Object, error] {
	return func(yield func(agent.Object, error) bool) {
		b, err := s.bucket(ctx, name)
		if err != nil {
			yield(agent.Object{}, err)
			return
		}
		opt := bucket.ListOptions{Prefix: prefix}
		for tries := 1; ; tries++ {
			var failed error
			for item, err := range b.List(ctx, opt) {
				if failed = err; err != nil {
					break
				}
				opt.StartAfter, tries = item.Key, 1
				if !yield(agent.Object{Key: item.Key, Size: item.Size, ETag: item.ETag, Modified: item.Modified}, nil) {
					return
				}
			}
			if failed == nil {
				return
			}
			if tries == listTries || !errors.Is(failed, upload.Transient) || !pause(ctx, listWait<<(tries-1)) {
				yield(agent.Object{}, failed)
				return
			}
		}
	}
}

// pause waits, and says whether ctx is not done.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
