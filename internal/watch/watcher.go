package watch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	lookers    = 2               // goroutines that list directories
	rootEvery  = 5 * time.Second // time between looks at the root's identity
	pollEvery  = time.Minute     // time between looks at directories without a watch
	pollFactor = 20              // time between polls of a tree, in the time that one takes
	pollMin    = 5 * time.Second
	pollMax    = 5 * time.Minute
)

var errRootMoved = errors.New("the root is not the directory that it was")

// A Watcher tells a Sink what changes below a directory.
type Watcher struct {
	root    string
	sink    Sink
	opt     Options
	pending *pending
	open    func(host) (source, string) // openSource, but for a test

	wake     chan struct{} // something is wanted of control
	wantScan atomic.Bool
	every    atomic.Int64 // time from scan to scan, ns

	mu        sync.Mutex // before pending's; a source's own comes before both
	src       source
	gen       uint64 // of src
	mode      string
	reason    string        // why the mode is "poll"
	wantFresh bool          // a scan with a fresh source
	begun     uint64        // scans that have begun
	ended     chan struct{} // closed and replaced when a scan has ended
	stats     Stats
	advised   bool // belongs to control
}

// New returns a Watcher of the tree below root, which tells s what it finds.
// It starts nothing: all work is done inside Run.
func New(root string, s Sink, opt Options) *Watcher {
	w := &Watcher{
		root:      root,
		sink:      s,
		opt:       opt.withDefaults(),
		open:      openSource,
		wake:      make(chan struct{}, 1),
		ended:     make(chan struct{}),
		wantFresh: true,
	}
	w.every.Store(int64(w.opt.Rescan))
	w.pending = newPending(w.Rescan)
	w.pending.hold() // until the first scan has ended
	return w
}

// Run scans the tree, watches it from then on and scans it again from time to
// time. It returns when ctx is done, with its error, or when the sink fails,
// with the sink's error. A root that is not there is waited for.
func (w *Watcher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.control(ctx) })
	g.Go(func() error { return w.hint(ctx) })
	for range lookers {
		g.Go(func() error { return w.look(ctx) })
	}
	err := g.Wait()
	if src := w.source(); src != nil {
		src.close()
	}
	return err
}

// Rescan asks for a scan of the whole tree. It may be called at any time; one
// that is under way is followed by one more.
func (w *Watcher) Rescan() {
	w.wantScan.Store(true)
	wake(w.wake)
}

// SetRescan changes [Options.Rescan], also for the wait that is under way. It
// may be called at any time.
func (w *Watcher) SetRescan(d time.Duration) {
	w.every.Store(int64(Options{Rescan: d}.withDefaults().Rescan))
	wake(w.wake)
}

// Stats returns how the watcher is doing.
func (w *Watcher) Stats() Stats {
	pending, collapses := w.pending.count()
	w.mu.Lock()
	st := w.stats
	st.Mode, st.Reason = w.mode, w.reason
	src := w.src
	w.mu.Unlock()
	st.Pending, st.Collapses = pending, collapses
	if src != nil {
		src.stats(&st)
	}
	return st
}

func (w *Watcher) source() source {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.src
}

// lost says that events of the source of generation gen are missing, or may
// be. All that is known of the tree's watches is then in doubt: there will be a
// fresh source and a scan.
func (w *Watcher) lost(gen uint64, reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gen != w.gen {
		return
	}
	if isOverflow(reason) {
		w.stats.Overflows++
	}
	w.pending.hold()
	if !w.wantFresh {
		w.wantFresh = true
		w.opt.Logger.Warn("events lost, the tree is scanned again", "err", reason)
	}
	wake(w.wake)
}

// rootLost is lost for what the source does not notice.
func (w *Watcher) rootLost(reason error) {
	w.mu.Lock()
	gen := w.gen
	w.mu.Unlock()
	w.lost(gen, reason)
}
