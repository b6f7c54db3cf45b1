package watch

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Bounds of what waits for the sink.
const (
	maxPendingFiles = 65536
	maxPendingDirs  = 4096
)

// A mark is what was noticed of a path: its last Cause, and what that says of
// the kind of thing that is there.
type mark uint8

const (
	markCause mark = 0x0f // a Cause

	markLook mark = 0x10 // what is there is not known; it may be a directory
	markFile mark = 0x20 // what is there is not a directory
	markGone mark = 0x40 // what was there before is not any more
	markTree mark = 0x80 // what was there may have been a directory
)

// then returns what is known of a path when m was noticed after old.
func (old mark) then(m mark) mark {
	m |= old & (markGone | markTree)
	if m&markFile == 0 {
		m |= old & markLook
	}
	return m
}

// A bucket holds the pending paths of one directory.
type bucket struct {
	dir   string
	names map[string]mark
	era   uint64
}

// A dirty is a directory that waits to be listed, with all below it if deep.
type dirty struct {
	dir  string
	deep bool
	era  uint64
}

// A pending set holds what was noticed and has not been handed to the sink. It
// never blocks who adds to it, and its memory is bounded.
//
// All work in it belongs to an era. A barrier ends the current era and waits
// until nothing of it, or of an older one, is left: neither in the set, nor in
// the hands of a worker.
type pending struct {
	maxFiles, maxDirs int
	scan              func() // asks for a scan of the tree; called with mu held

	mu        sync.Mutex
	buckets   map[string]*bucket
	fifo      []*bucket
	last      *bucket // of the last mark, for the next is most often of the same
	files     int
	dirs      map[string]*dirty
	dirFIFO   []*dirty
	era       uint64
	open      map[uint64]int // pieces of work not yet done, by era
	held      []uint64       // eras of work that only a scan that has not begun can do
	ended     chan struct{}  // closed and replaced when an era has no more work
	collapses uint64
	pulses    []chan struct{} // of whoever wants to see takeFiles come round

	wakeFiles, wakeDirs chan struct{}
}

func newPending(scan func()) *pending {
	return &pending{
		maxFiles:  maxPendingFiles,
		maxDirs:   maxPendingDirs,
		scan:      scan,
		buckets:   make(map[string]*bucket),
		dirs:      make(map[string]*dirty),
		open:      make(map[uint64]int),
		ended:     make(chan struct{}),
		wakeFiles: make(chan struct{}, 1),
		wakeDirs:  make(chan struct{}, 1),
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// file notes that dir/name may have changed.
func (p *pending) file(dir, name string, m mark) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.last
	if b == nil || b.dir != dir {
		b = p.bucket(dir)
		p.last = b
	}
	old, ok := b.names[name]
	b.names[name] = old.then(m)
	if ok {
		return
	}
	p.files++
	if p.files > p.maxFiles {
		p.collapse()
	}
	wake(p.wakeFiles)
}

func (p *pending) bucket(dir string) *bucket {
	b := p.buckets[dir]
	if b == nil {
		b = &bucket{dir: strings.Clone(dir), names: make(map[string]mark), era: p.era}
		p.buckets[b.dir] = b
		p.fifo = append(p.fifo, b)
		p.open[b.era]++
	}
	return b
}

// collapse turns the fullest buckets into listings of their directories, until
// half of the room is free again.
func (p *pending) collapse() {
	p.collapses++
	p.last = nil
	full := slices.Clone(p.fifo)
	slices.SortFunc(full, func(a, b *bucket) int { return len(b.names) - len(a.names) })
	for _, b := range full {
		if p.files <= p.maxFiles/2 {
			break
		}
		p.files -= len(b.names)
		delete(p.buckets, b.dir)
		b.names = nil // and is passed over when its turn comes
		p.addDir(b.dir, collapseDeep, b.era)
		p.release(b.era)
	}
	p.fifo = slices.DeleteFunc(p.fifo, func(b *bucket) bool { return b.names == nil })
}

// dir notes that a directory has to be listed.
func (p *pending) dir(dir string, deep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addDir(dir, deep, p.era)
}

// again is dir for what follows from work of an older era.
func (p *pending) again(dir string, deep bool, era uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addDir(dir, deep, era)
}

func (p *pending) addDir(dir string, deep bool, era uint64) {
	if d := p.dirs[dir]; d != nil {
		d.deep = d.deep || deep
		if era < d.era {
			p.open[era]++
			p.release(d.era)
			d.era = era
		}
		return
	}
	d := &dirty{dir: strings.Clone(dir), deep: deep, era: era}
	p.dirs[d.dir] = d
	p.dirFIFO = append(p.dirFIFO, d)
	p.open[era]++
	if len(p.dirs) > p.maxDirs {
		p.collapses++
		for _, d := range p.dirFIFO {
			p.held = append(p.held, d.era)
		}
		p.compactHeld()
		clear(p.dirs)
		p.dirFIFO = nil
		p.scan()
		return
	}
	wake(p.wakeDirs)
}

// compactHeld keeps one piece of work of each era that is held.
func (p *pending) compactHeld() {
	slices.Sort(p.held)
	kept := p.held[:0]
	for i, era := range p.held {
		if i > 0 && era == p.held[i-1] {
			p.open[era]--
			continue
		}
		kept = append(kept, era)
	}
	p.held = kept
}

// hold adds work that only a scan that has not yet begun can do.
func (p *pending) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[p.era]++
	p.held = append(p.held, p.era)
	p.compactHeld()
}

// takeHeld returns the eras that a scan that begins now serves; each is to be
// released when the scan has ended.
func (p *pending) takeHeld() []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := p.held
	p.held = nil
	return held
}

// putHeld gives back what a scan that failed did not serve.
func (p *pending) putHeld(eras []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, eras...)
	p.compactHeld()
}

// takeFiles waits for pending paths. The caller releases the bucket's era when
// all of them have been handed over.
func (p *pending) takeFiles(ctx context.Context) (*bucket, error) {
	for {
		p.mu.Lock()
		p.answer()
		if len(p.fifo) > 0 {
			b := p.fifo[0]
			p.fifo[0] = nil
			p.fifo = p.fifo[1:]
			delete(p.buckets, b.dir)
			p.files -= len(b.names)
			p.last = nil
			p.mu.Unlock()
			return b, nil
		}
		p.mu.Unlock()
		select {
		case <-p.wakeFiles:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// takeDir waits for a directory to list. The caller releases its era.
func (p *pending) takeDir(ctx context.Context) (*dirty, error) {
	for {
		p.mu.Lock()
		if len(p.dirFIFO) > 0 {
			d := p.dirFIFO[0]
			p.dirFIFO[0] = nil
			p.dirFIFO = p.dirFIFO[1:]
			delete(p.dirs, d.dir)
			if len(p.dirFIFO) > 0 {
				wake(p.wakeDirs) // there is more than one worker
			}
			p.mu.Unlock()
			return d, nil
		}
		p.mu.Unlock()
		select {
		case <-p.wakeDirs:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// done ends pieces of work.
func (p *pending) done(eras ...uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, era := range eras {
		p.release(era)
	}
}

func (p *pending) release(era uint64) {
	if p.open[era]--; p.open[era] == 0 {
		delete(p.open, era)
		close(p.ended)
		p.ended = make(chan struct{})
	}
}

// fence waits until all that was noticed before the call has been handed over.
func (p *pending) fence(ctx context.Context) error {
	p.mu.Lock()
	last := p.era
	p.era++
	for {
		busy := false
		for era := range p.open {
			busy = busy || era <= last
		}
		ended := p.ended
		p.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
		p.mu.Lock()
	}
}

func (p *pending) count() (pending int, collapses uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.files + len(p.dirs), p.collapses
}
