package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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

// Barrier returns when every change that was made before the call, as far as
// the operating system reports changes, has been handed to the sink. What it
// does not report, the tree being polled or short of watches, is found by a
// scan that the barrier asks for and waits for. It needs Run to be running.
func (w *Watcher) Barrier(ctx context.Context) error {
	w.mu.Lock()
	src, begun := w.src, w.begun > 0
	w.mu.Unlock()
	if !begun {
		return w.pending.fence(ctx) // the first scan is still to come
	}
	full := src == nil
	if src != nil {
		if err := src.cookie(ctx); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			full = true
		}
		unwatched, _ := src.unwatched(0)
		full = full || len(unwatched) > 0
	}
	if full {
		if err := w.scanNow(ctx); err != nil {
			return err
		}
	}
	return w.pending.fence(ctx)
}

// scanNow waits for a scan that begins after the call.
func (w *Watcher) scanNow(ctx context.Context) error {
	w.mu.Lock()
	after := w.begun
	w.Rescan()
	for w.stats.Last.Number <= after {
		ended := w.ended
		w.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	return w.stats.Last.Err
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

// control keeps a source open and scans.
func (w *Watcher) control(ctx context.Context) error {
	for {
		held := w.refresh()
		sum, err := w.scan(ctx)
		if err != nil {
			return err
		}
		if sum.Err != nil {
			w.pending.putHeld(held)
		} else {
			w.pending.done(held...)
		}
		w.record(sum)
		if err := w.idle(ctx, sum); err != nil {
			return err
		}
	}
}

// refresh opens a source if there is none, or a fresh one if that is wanted.
// The old one is closed first, so that its watches can be used again. It
// returns the eras that the scan to come serves.
func (w *Watcher) refresh() (held []uint64) {
	w.mu.Lock()
	old, fresh := w.src, w.wantFresh
	w.wantFresh = false
	w.wantScan.Store(false)
	held = w.pending.takeHeld()
	if old != nil && !fresh {
		w.mu.Unlock()
		return held
	}
	w.src = nil
	w.gen++
	gen := w.gen
	if old != nil {
		w.stats.Recoveries++
	}
	w.mu.Unlock()
	if old != nil {
		old.close()
	}
	src, reason := w.openGen(gen)
	w.mu.Lock()
	defer w.mu.Unlock()
	if src == nil && w.reason != reason {
		w.opt.Logger.Info("the tree is polled", "path", w.root, "err", reason)
	}
	w.src, w.reason, w.mode = src, reason, "poll"
	return held
}

func (w *Watcher) openGen(gen uint64) (source, string) {
	root, err := filepath.Abs(w.root)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, "the root cannot be read"
	}
	return w.open(host{
		root:    root,
		opt:     w.opt,
		pending: w.pending,
		lost:    func(reason error) { w.lost(gen, reason) },
	})
}

func (w *Watcher) scan(ctx context.Context) (Scan, error) {
	w.mu.Lock()
	w.begun++
	number, src := w.begun, w.src
	w.mu.Unlock()
	sum, err := scan(ctx, w.root, w.sink, w.opt, src, number)
	if err != nil {
		return sum, err
	}
	if sum.Err != nil {
		w.opt.Logger.WarnContext(ctx, "the tree cannot be scanned", "err", sum.Err)
	}
	return sum, w.sink.Scanned(ctx, sum)
}

func (w *Watcher) record(sum Scan) {
	w.mu.Lock()
	w.stats.Scans++
	w.stats.Last, w.stats.LastAt = sum, time.Now()
	close(w.ended)
	w.ended = make(chan struct{})
	src, advised := w.src, w.advised
	w.mu.Unlock()
	if src == nil || advised {
		return
	}
	var st Stats
	if src.stats(&st); st.Advice != "" {
		w.advised = true
		w.opt.Logger.Warn("too few inotify watches: some directories are only looked at once a minute; "+
			"put this line into a file of /etc/sysctl.d",
			"line", st.Advice, "watched", st.Watched, "total", st.Total)
	}
}

// idle returns when it is time for a scan.
func (w *Watcher) idle(ctx context.Context, sum Scan) error {
	rescan := time.NewTimer(w.pause(sum))
	defer rescan.Stop()
	root := time.NewTicker(rootEvery)
	defer root.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
			if w.wanted() {
				return nil
			}
		case <-rescan.C:
			return nil
		case <-root.C:
			if w.rootChanged(sum) {
				return nil
			}
		case <-poll.C:
			if err := w.pollUnwatched(ctx); err != nil {
				return err
			}
		}
	}
}

func (w *Watcher) wanted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wantScan.Load() || w.wantFresh
}

// pause returns the time from the end of a scan to the next one.
func (w *Watcher) pause(sum Scan) time.Duration {
	d := w.opt.Rescan
	if w.source() == nil {
		d = min(d, max(pollMin, min(pollMax, pollFactor*sum.Took)))
	}
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// rootChanged reports whether the root is another directory than the one that
// was scanned. No event tells of a file system that was mounted or unmounted.
func (w *Watcher) rootChanged(sum Scan) bool {
	r, err := openRoot(w.root, w.opt.FollowSymlinks)
	if err != nil {
		if sum.Err == nil {
			w.rootLost(err)
		}
		return sum.Err == nil
	}
	defer r.close()
	if sum.Err == nil && r.id == sum.Root {
		return false
	}
	w.rootLost(errRootMoved)
	return true
}

// pollUnwatched looks at the directories that have no watch.
func (w *Watcher) pollUnwatched(ctx context.Context) error {
	src := w.source()
	if src == nil {
		return nil
	}
	for cursor := 0; cursor >= 0; {
		var dirs []string
		dirs, cursor = src.unwatched(cursor)
		if len(dirs) == 0 {
			continue
		}
		if err := w.pass(ctx, src, dirs, false, true, w.opt.Workers); err != nil {
			return err
		}
	}
	return nil
}

// pass reads some directories. A root that is not there is left to control.
func (w *Watcher) pass(ctx context.Context, src source, dirs []string, deep, changed bool, workers int) error {
	r, err := openRoot(w.root, w.opt.FollowSymlinks)
	if err != nil {
		w.rootLost(err)
		return nil
	}
	defer r.close()
	p := newPass(w.sink, w.opt, src, r)
	p.changed = changed
	return p.run(ctx, dirs, deep, workers)
}

// look lists the directories that are pending.
func (w *Watcher) look(ctx context.Context) error {
	for {
		d, err := w.pending.takeDir(ctx)
		if err != nil {
			return err
		}
		if !w.excluded(d.dir) {
			err = w.pass(ctx, w.source(), []string{d.dir}, d.deep, false, 1)
		}
		w.pending.done(d.era)
		if err != nil {
			return err
		}
	}
}

// excluded reports whether a directory, or one that holds it, is excluded.
func (w *Watcher) excluded(dir string) bool {
	for i := range len(dir) {
		if dir[i] == '/' && w.opt.Exclude(dir[:i]) {
			return true
		}
	}
	return dir != "" && w.opt.Exclude(dir)
}

// hint hands over the paths that are pending.
func (w *Watcher) hint(ctx context.Context) error {
	for {
		b, err := w.pending.takeFiles(ctx)
		if err != nil {
			return err
		}
		r, err := openRoot(w.root, w.opt.FollowSymlinks)
		for name, m := range b.names {
			if err != nil {
				w.sink.Hint(join(b.dir, name), Cause(m&markCause))
				continue
			}
			w.hintOne(r, b, name, m)
		}
		if err == nil {
			r.close()
		}
		w.pending.done(b.era)
	}
}

// hintOne hints a path, or has it listed if it is a directory.
func (w *Watcher) hintOne(r *root, b *bucket, name string, m mark) {
	path, cause := join(b.dir, name), Cause(m&markCause)
	unnamed := isUnnamed(name)
	if m&markLook != 0 || unnamed {
		isDir, err := r.kindOf(path)
		switch {
		case err == nil && isDir:
			if m&markGone != 0 {
				w.sink.Hint(path, Removed)
			}
			if !w.excluded(path) {
				w.pending.again(path, true, b.era)
			}
			return
		case errors.Is(err, os.ErrNotExist) && unnamed:
			w.pending.again(b.dir, false, b.era)
			return
		case errors.Is(err, os.ErrNotExist):
			cause = Removed
		}
	}
	w.sink.Hint(path, cause)
	if cause == Removed && m&markTree != 0 {
		w.pending.again(path, true, b.era)
	}
}

// isUnnamed reports whether a name is what the kernel calls a file that was
// made without one: "#" and its inode number. It keeps that name in events
// even after it was linked into the tree.
func isUnnamed(name string) bool {
	return len(name) > 1 && name[0] == '#' && strings.Trim(name[1:], "0123456789") == ""
}
