package oss

import (
	"os"
	"slices"
	"sync"
)

// Small bodies are gathered in packs: blobs that hold one body after the other.
// To create a file costs a multiple of all else that a small put does. A pack is
// written behind, by the store and before the records that tell of what is in
// it, and until then it is read from memory.
const (
	packSize  = 1 << 20
	maxPacked = 16 << 10 // bytes of a body that goes into a pack

	// maxUnwritten packs may wait to be written; who wants one more waits too.
	maxUnwritten = 32
	maxSpare     = 4
)

// A pack is a blob that is being filled.
type pack struct {
	*blob        // with a reference of the pack's own, until it is full
	buf   []byte // what it holds; never moved
	saved int    // bytes of buf that are in the file; save's own
}

// packs fills packs.
type packs struct {
	blobs *blobs
	wake  func() // has save called

	mu      sync.Mutex
	room    *sync.Cond // signalled when a pack has been written, or cannot be
	current *pack      // nil before the first body
	full    []*pack    // to be written
	spare   [][]byte   // buffers of packs that have been written
	err     error      // nothing will be written any more
}

func newPacks(b *blobs) *packs {
	p := &packs{blobs: b}
	p.room = sync.NewCond(&p.mu)
	return p
}

// add stores a body of no more than maxPacked bytes. The caller holds the only
// reference to the segment.
func (p *packs) add(body []byte) (segment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && len(p.current.buf)+len(body) > packSize {
		p.seal()
	}
	for len(p.full) >= maxUnwritten && p.err == nil {
		p.wake()
		p.room.Wait()
	}
	if p.err != nil {
		return segment{}, p.err
	}
	c := p.current
	if c == nil || len(c.buf)+len(body) > packSize { // others may have filled one meanwhile
		if c != nil {
			p.seal()
		}
		c = p.open()
	}
	off := len(c.buf)
	c.buf = append(c.buf, body...)
	c.refs.Add(1)
	return segment{c.blob, int64(off), int64(len(body))}, nil
}

// open makes an empty pack the current one.
func (p *packs) open() *pack {
	c := &pack{blob: &blob{id: p.blobs.lastID.Add(1)}}
	if n := len(p.spare); n > 0 {
		c.buf = p.spare[n-1]
		p.spare = p.spare[:n-1]
	} else {
		c.buf = make([]byte, 0, packSize)
	}
	c.refs.Store(1)
	memory := c.buf[:packSize]
	c.memory.Store(&memory)
	p.current = c
	return c
}

// seal lets the current pack be written for the last time.
func (p *packs) seal() {
	p.full = append(p.full, p.current)
	p.current = nil
}

// save writes all that was added before it was called. Only one call may be
// under way.
func (p *packs) save() error {
	p.mu.Lock()
	full, current := p.full, p.current
	var filled []byte
	if current != nil {
		filled = current.buf
	}
	p.mu.Unlock()
	for _, c := range full {
		if err := p.write(c, c.buf); err != nil {
			return err
		}
		p.done(c)
	}
	if current == nil {
		return nil
	}
	return p.write(current, filled)
}

// done takes the first of the full packs, which has been written, off the list.
// From now on it is read from its file.
func (p *packs) done(c *pack) {
	p.mu.Lock()
	c.memory.Store(nil)
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, c.buf[:0])
	}
	p.full[0] = nil
	p.full = p.full[1:]
	p.room.Broadcast()
	p.mu.Unlock()
	p.blobs.release([]segment{{blob: c.blob}})
}

// peek returns a copy of what is in memory of a segment, nil if it is in its
// file.
func (p *packs) peek(sg segment) []byte {
	if sg.memory.Load() == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := sg.memory.Load() // written meanwhile?
	if m == nil {
		return nil
	}
	return slices.Clone((*m)[sg.off : sg.off+sg.size])
}

// fail gives the error to all who wait or come later.
func (p *packs) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.room.Broadcast()
}

// write brings the content of a pack to its file. It does so even if no one has
// use for it any more: a record that tells of it may be on its way to the
// database, or there already.
func (p *packs) write(c *pack, content []byte) error {
	fresh := content[c.saved:]
	if len(fresh) == 0 {
		return nil
	}
	f, err := os.OpenFile(p.blobs.path(c.id), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(fresh, int64(c.saved))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		c.saved = len(content)
	}
	return err
}

// close removes the file of the current pack if nothing in it is in use. All of
// it must have been saved.
func (p *packs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && p.current.refs.Add(-1) == 0 {
		os.Remove(p.blobs.path(p.current.id))
	}
	p.current = nil
}
