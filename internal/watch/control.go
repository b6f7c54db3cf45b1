package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"
)

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
		w.opt.Logger.Warn("too few inotify watches, the other directories are looked at once a minute", "path", w.root,
			"err", fmt.Errorf("%d of %d directories watched: set %s", st.Watched, st.Total, st.Advice))
	}
}

// idle returns when it is time for a scan.
func (w *Watcher) idle(ctx context.Context, sum Scan) error {
	begun, every := time.Now(), w.every.Load()
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
			if now := w.every.Load(); now != every {
				every = now
				rescan.Reset(w.pause(sum) - time.Since(begun))
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
	d := time.Duration(w.every.Load())
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
	if sum.Err == nil && r.whole() == sum.Root {
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
