package plan

import (
	"context"
	"slices"
)

// A barrier waits for the answers to all hints up to a sequence number.
type barrier struct {
	seq  uint64
	left int  // things that are not answered; 0 when it has fallen
	scan bool // one of them is the running scan
	done chan struct{}
}

// Sequence returns the number of the newest hint. Whatever was hinted before the
// call has a number that is not greater.
func (l *Lane) Sequence() uint64 {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	return l.sequence
}

// WaitFor returns once every hint up to seq is answered: its file is in the
// bucket, verified and recorded, or needs nothing, or has failed for good. If a
// scan runs, or none has ended yet, it is waited for as well. What has failed is
// returned, also what had failed before; deletions that are held are a Failure
// without a path. The error is ctx.Err() or ErrClosed. Vanished files of which
// the objects are kept are not waited for.
func (l *Lane) WaitFor(ctx context.Context, seq uint64) ([]Failure, error) {
	q := l.q
	q.mu.Lock()
	b := l.raise(min(seq, l.sequence))
	q.mu.Unlock()
	var err error
	select {
	case <-b.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	l.barriers = slices.DeleteFunc(l.barriers, func(other *barrier) bool { return other == b })
	if l.closed && err == nil {
		err = ErrClosed
	}
	failures := l.tally.list()
	if h := l.gone.hold; h.Held > 0 {
		failures = append(failures, Failure{Err: &h})
	}
	return failures, err
}

// raise makes a barrier of what is not answered now. The mutex is held.
func (l *Lane) raise(seq uint64) *barrier {
	b := &barrier{seq: seq, done: make(chan struct{})}
	for _, it := range l.items {
		if it.seq != 0 && it.seq <= seq {
			b.left++
		}
	}
	for _, s := range l.fill.dirs {
		if s <= seq {
			b.left++
		}
	}
	for _, s := range l.open {
		if s <= seq {
			b.left++
		}
	}
	for _, s := range []uint64{l.scan.owed, l.scan.owing} {
		if s != 0 && s <= seq {
			b.left++
		}
	}
	if l.scan.running() || !l.scan.once {
		b.scan = true
		b.left++
	}
	if b.left == 0 || l.closed || l.halt.dead != nil {
		close(b.done)
		return b
	}
	l.barriers = append(l.barriers, b)
	return b
}

// renumberAll tells the barriers that something that was numbered from is now
// numbered to. The mutex is held, as in all below.
func (l *Lane) renumberAll(from, to uint64) {
	for _, b := range l.barriers {
		was, is := from <= b.seq, to <= b.seq
		switch {
		case b.left == 0:
		case was && !is:
			b.less()
		case is && !was:
			b.left++
		}
	}
}

// openListing makes the barriers wait for a listing that is being compared.
func (l *Lane) openListing(seq uint64) {
	l.open = append(l.open, seq)
	l.renumberAll(settled, seq)
}

// closeListing ends openListing.
func (l *Lane) closeListing(seq uint64) {
	if i := slices.Index(l.open, seq); i >= 0 {
		l.open = slices.Delete(l.open, i, i+1)
	}
	l.renumberAll(seq, settled)
}

// less counts one answer.
func (b *barrier) less() {
	if b.left--; b.left == 0 {
		close(b.done)
	}
}

// renumber gives an item another number.
func (l *Lane) renumber(it *item, seq uint64) {
	from := it.seq
	if from == 0 {
		from = settled
	}
	it.seq = seq
	l.renumberAll(from, seq)
}

// ask gives an item a number unless it still has an older one.
func (l *Lane) ask(it *item, seq uint64) {
	if it.seq == 0 || seq < it.seq {
		l.renumber(it, seq)
	}
}

// answer says that all hints of the item are answered.
func (l *Lane) answer(it *item) { l.renumber(it, settled) }

// scanEnded counts the end of the scan for those who wait for it.
func (l *Lane) scanEnded() {
	for _, b := range l.barriers {
		if b.scan && b.left > 0 {
			b.scan = false
			b.less()
		}
	}
}

// release ends all barriers, because the lane ends.
func (l *Lane) release() {
	for _, b := range l.barriers {
		if b.left > 0 {
			b.left = 0
			close(b.done)
		}
	}
	l.barriers = nil
}
