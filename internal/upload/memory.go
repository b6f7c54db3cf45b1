package upload

import (
	"context"
	"fmt"
	"math/bits"
	"sync"

	"golang.org/x/sync/semaphore"
)

// A budget hands out buffers that together never exceed its size, those aside
// that were given back and wait for the garbage collector. Buffers of
// parts may take half of it, so that large files leave room for small ones.
// Whoever waits is served in turn. Safe for concurrent use.
type budget struct {
	size, share int64 // bytes of all buffers, of those of parts
	all, parts  *semaphore.Weighted
	pools       [maxClass - minClass + 1]sync.Pool // of *buffer, by binary logarithm of the capacity
}

// Buffers of 4 KiB to 64 MiB are kept for reuse.
const (
	minClass = 12
	maxClass = 26
)

// A buffer is memory taken from a budget.
type buffer struct {
	data   []byte
	weight int64 // bytes taken from the budget
	part   bool
}

func newBudget(size int64) *budget {
	share := max(size/2, 1)
	return &budget{
		size: size, share: share,
		all: semaphore.NewWeighted(size), parts: semaphore.NewWeighted(share),
	}
}

// get waits for room and returns a buffer of n bytes with any content.
func (b *budget) get(ctx context.Context, n int64) (*buffer, error) {
	class, weight := classOf(n)
	if weight > b.size {
		class, weight = -1, n
	}
	if weight > b.size {
		return nil, fmt.Errorf("needs %d bytes of memory, and the limit is %d", n, b.size)
	}
	if err := b.all.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return b.take(class, n, weight), nil
}

// getPart is get for a part of a large file. A part larger than the share is
// served when no other part has memory.
func (b *budget) getPart(ctx context.Context, n int64) (*buffer, error) {
	_, weight := classOf(n)
	held := min(weight, b.share)
	if err := b.parts.Acquire(ctx, held); err != nil {
		return nil, err
	}
	buf, err := b.get(ctx, n)
	if err != nil {
		b.parts.Release(held)
		return nil, err
	}
	buf.part = true
	return buf, nil
}

// classOf returns the pool that a buffer of n bytes comes from, and its
// capacity; -1 for one that is too large to keep.
func classOf(n int64) (class int, weight int64) {
	if n > 1<<maxClass {
		return -1, n
	}
	class = max(bits.Len64(uint64(max(n, 1)-1)), minClass) - minClass
	return class, 1 << (class + minClass)
}

func (b *budget) take(class int, n, weight int64) *buffer {
	if class >= 0 {
		if buf, ok := b.pools[class].Get().(*buffer); ok {
			buf.data = buf.data[:n]
			return buf
		}
	}
	return &buffer{data: make([]byte, weight)[:n], weight: weight}
}

// put gives a buffer back. It may not be used afterwards.
func (b *budget) put(buf *buffer) {
	weight := buf.weight
	class, capacity := classOf(weight)
	if buf.part {
		b.parts.Release(min(capacity, b.share))
		buf.part = false
	}
	if class >= 0 && capacity == weight {
		b.pools[class].Put(buf)
	}
	b.all.Release(weight)
}
