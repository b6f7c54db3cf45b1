package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// ErrClosed is wrapped by what is asked of an index after Close.
var ErrClosed = errors.New("index is closed")

const (
	maxBatch = 1000    // changes in one commit
	maxBytes = 1 << 20 // and their bytes, roughly
	queueLen = 1024    // changes that wait for the committer before senders do

	// A commit of few costs nearly as much as one of many. So where several
	// changes came together the next time they are waited for, this long for each
	// of them, and no longer than patience: who waits for so many others does not
	// notice.
	patienceEach = 500 * time.Microsecond
	patience     = 5 * time.Millisecond

	minWait = 50 * time.Millisecond // before a failed commit is tried again
	maxWait = 5 * time.Second

	idleAfter = 10 * time.Second // without a change, before the log is emptied
	largeLog  = 256 << 20        // bytes of the log that say that it cannot be emptied
)

// An ack is told how the ops it belongs to have ended.
type ack struct {
	left  atomic.Int32
	ended chan error // gets the first error, or nil after the last op
}

func (a *ack) done(err error) {
	if a == nil {
		return
	}
	if err != nil {
		select {
		case a.ended <- err:
		default: // an error was told already
		}
	} else if a.left.Add(-1) == 0 {
		a.ended <- nil
	}
}

// send hands an op to the committer and does not wait for its commit.
func (db *DB) send(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-db.closing:
		return ErrClosed
	default:
	}
	select {
	case db.ops <- o:
		if n := db.missing.Load(); n > 0 && len(db.ops) >= int(n) {
			select {
			case db.enough <- struct{}{}:
			default:
			}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closing:
		return ErrClosed
	}
}

// submit hands ops to the committer and waits until all are durable.
func (db *DB) submit(ctx context.Context, ops []*op) error {
	if len(ops) == 0 {
		return nil
	}
	a := &ack{ended: make(chan error, 1)}
	a.left.Store(int32(len(ops)))
	for _, o := range ops {
		o.ack = a
		if err := db.send(ctx, o); err != nil {
			return err
		}
	}
	select {
	case err := <-a.ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stopped:
	}
	select { // the last commit may have been ours
	case err := <-a.ended:
		return err
	default:
		return ErrClosed
	}
}

// flush waits until all that was sent before is committed.
func (db *DB) flush(ctx context.Context, v *View) error {
	return db.submit(ctx, []*op{{view: v, change: nothing{}}})
}

// commitLoop is the one goroutine that writes. It returns once Close was
// called and all that was sent before is committed, or has failed.
func (db *DB) commitLoop() {
	defer close(db.stopped)
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		select {
		case o := <-db.ops:
			db.commit(db.gather(o))
			idle.Reset(idleAfter)
		case r := <-db.repairs:
			err := db.repair(r)
			if err != nil {
				db.setTrouble(err)
				idle.Reset(maxWait)
			}
			r.done <- err
		case <-idle.C:
			idle.Reset(db.tidy())
		case answer := <-db.pulses:
			close(answer)
		case <-db.closing:
			for {
				select {
				case o := <-db.ops:
					db.commit(db.gather(o))
				default:
					return
				}
			}
		}
	}
}

// gather takes what has queued up behind o. A lone change waits for nobody. But
// where the last commit and those that came too late for it were several, it is
// waited until they are as many again: those whom a commit released have not
// come round yet to sending their next change, and without that they and those
// who came too late would take turns, and commits be half as large.
func (db *DB) gather(o *op) []*op {
	db.batch = append(db.batch[:0], o)
	size := db.drain(o.size)
	missing := min(db.crowd, maxBatch) - len(db.batch)
	if db.crowd > 1 && missing > 0 && size < maxBytes {
		db.await(missing)
		db.drain(size)
	}
	return db.batch
}

// drain adds what has queued up to the batch, whose size it is told and returns.
func (db *DB) drain(size int) int {
	for len(db.batch) < maxBatch && size < maxBytes {
		select {
		case o := <-db.ops:
			db.batch = append(db.batch, o)
			size += o.size
		default:
			return size
		}
	}
	return size
}

// await waits until n changes have queued up, but not for ever.
func (db *DB) await(n int) {
	db.missing.Store(int32(n))
	defer db.missing.Store(0)
	if len(db.ops) >= n {
		return
	}
	t := time.NewTimer(min(time.Duration(db.crowd)*patienceEach, patience))
	defer t.Stop()
	select {
	case <-db.enough: // perhaps of the wait before: no harm
	case <-t.C:
	case <-db.closing:
	}
}

// commit makes a batch durable and tells who waits for it. It tries until it
// succeeds, fails in a way that does not pass, or the index is closed.
func (db *DB) commit(batch []*op) {
	defer clear(batch)
	wait := minWait
	for {
		err := db.attempt(batch)
		if err == nil {
			db.commits.Add(1)
			db.clearTrouble()
			db.watchLog()
		} else if db.w == nil || passing(err) {
			db.setTrouble(err)
			if db.pause(wait) {
				wait = min(2*wait, maxWait)
				continue
			}
			err = fmt.Errorf("%w, and could not write: %w", ErrClosed, err)
		}
		if db.w != nil {
			db.unfinished.Store(db.w.uploads)
		}
		db.crowd = len(batch) + len(db.ops)
		for _, o := range batch {
			o.ack.done(err)
		}
		return
	}
}

// attempt commits a batch. A damaged index is rebuilt first, once: one that is
// damaged again at once says more about the machine than about the file.
func (db *DB) attempt(batch []*op) error {
	for rebuilt := false; ; rebuilt = true {
		if db.w == nil {
			if err := db.reopen(db.broken); err != nil {
				return err
			}
		}
		err := db.w.commit(batch)
		if rebuilt || !damaged(err) {
			return err
		}
		if err := db.rebuild(err); err != nil {
			return err
		}
	}
}

// pause waits, and tells whether to go on after it.
func (db *DB) pause(wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return true
		case answer := <-db.pulses:
			close(answer)
		case <-db.closing:
			return false
		}
	}
}

// Trouble returns why nothing can be written at the moment, nil when all is well.
func (db *DB) Trouble() error {
	if err := db.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

func (db *DB) setTrouble(err error) {
	if db.trouble.Swap(&err) == nil {
		db.log.Error("index cannot be written, trying again", "path", db.path(indexName), "err", err)
	}
}

func (db *DB) clearTrouble() {
	if db.trouble.Load() != nil {
		db.trouble.Store(nil)
		db.log.Info("index can be written again", "path", db.path(indexName))
	}
}

// tidy empties the log while nothing else is to do, or tries again to rebuild
// an index that could not be. It waits for no reader, and returns when to come
// again if nothing happens before.
func (db *DB) tidy() time.Duration {
	if db.w == nil {
		if err := db.reopen(db.broken); err != nil {
			db.setTrouble(err)
			return maxWait
		}
		db.clearTrouble()
		return idleAfter
	}
	if db.w.written == 0 {
		return idleAfter
	}
	err := errors.Join(checkpoint(db.w.c), db.w.look())
	if err != nil {
		db.log.Debug("log of the index not emptied", "path", db.path(indexName), "err", err)
		return idleAfter
	}
	db.unfinished.Store(db.w.uploads)
	db.w.written = 0
	return idleAfter
}

// watchLog warns of a log that grows without end, which a reader causes that
// never finishes.
func (db *DB) watchLog() {
	const every = 1000 // commits
	if db.w.written%every != 0 {
		return
	}
	path := db.path(indexName) + "-wal"
	if st, err := os.Stat(path); err == nil && st.Size() > largeLog {
		db.log.Warn("log of the index cannot be emptied, something reads it all the time", "path", path, "bytes", st.Size())
	}
}

// checkpoint writes the log back to the file and cuts it to nothing, unless a
// reader needs it.
func checkpoint(c *conn) error {
	ctx := context.Background()
	if err := c.script(ctx, "PRAGMA busy_timeout=0"); err != nil {
		return err
	}
	_, err := c.first(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, c.script(ctx, "PRAGMA busy_timeout=5000"))
}
