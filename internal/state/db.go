package state

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// Options tunes a DB. The zero value means the defaults.
type Options struct {
	Logger *slog.Logger // nil means none

	// OnRebuild is called when the index has been made anew, before anything is
	// read of the new one: whoever acts on what it holds must doubt it from then
	// on. It must not call the DB. nil means that nobody wants to know.
	OnRebuild func()

	vfs       string // tests: another file layer below SQLite
	pragmas   string // tests: DSN parameters in place of the usual ones
	checkSize int64  // bytes up to which Open checks by itself; 0 means 32 MiB

	steps []string // tests: the migrations of another release; nil means this one's
}

// File names in the state directory.
const (
	indexName  = "index.db"
	snapName   = "index.snap"
	newName    = "index.new"      // complete, about to become index.db
	asideName  = "index.corrupt-" // and a time
	tempSuffix = ".tmp"
	mendSuffix = ".mended"
)

// A DB is the index, opened for reading and writing by the one agent of a
// state directory. It is safe for concurrent use.
type DB struct {
	dir  string
	opt  Options
	log  *slog.Logger
	lock *os.File

	// mu is held for writing while the files are exchanged.
	mu   sync.RWMutex
	pool *pool  // nil while there is no index to read
	gen  uint64 // how often the files were exchanged

	// Only the committer uses these, and Open before it runs.
	w      *writer        // nil while there is no index to write
	broken error          // why, then
	lost   map[*View]bool // roots in use that have no row yet after a rebuild
	made   *Rebuild       // the new index that is made and not yet in use; nil: none
	batch  []*op

	crowd int // changes in the last commit, and those that came too late for it

	ops     chan *op
	missing atomic.Int32  // changes that the committer waits for; 0 when it does not
	enough  chan struct{} // wakes it once they are there
	repairs chan repairOrder
	pulses  chan chan struct{} // see Pulse
	closing chan struct{}      // closed by Close
	stopped chan struct{}      // closed when the committer has returned
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	once    sync.Once

	rootsMu sync.Mutex
	roots   map[RootKey]*Root
	self    *View // stands for the index where an op is about no root

	mending    atomic.Bool // a new index is being built
	trouble    atomic.Pointer[error]
	rebuilt    atomic.Pointer[Rebuild]
	badRows    atomic.Int64
	commits    atomic.Int64 // that succeeded
	unfinished atomic.Bool  // there may be uploads, of any root
	suspect    atomic.Bool  // not closed well before, and not checked since
}

// closeFiles closes all connections, if any are open.
func (db *DB) closeFiles() error {
	var errs []error
	if db.pool != nil {
		errs = append(errs, db.pool.close())
		db.pool = nil
	}
	if db.w != nil {
		errs = append(errs, db.w.c.close())
		db.w = nil
	}
	return errors.Join(errs...)
}

// Close commits what was sent, marks the index as closed well, and frees the
// state directory. What waits longer than the disk allows fails with ErrClosed.
func (db *DB) Close() (err error) {
	db.once.Do(func() {
		close(db.closing)
		db.stop()
		db.tasks.Wait()
		db.mu.Lock()
		defer db.mu.Unlock()
		if db.w != nil && db.w.dirty && !db.suspect.Load() {
			err = setMeta(db.w.c, metaClean, int64(1))
		}
		err = errors.Join(err, db.closeFiles(), db.lock.Close())
	})
	return wrap("close", db.dir, err)
}

// read implements source. Damage that a read finds is repaired once.
func (db *DB) read(ctx context.Context, fn func(*conn) error) error {
	for tried := false; ; tried = true {
		gen, err := db.readOnce(ctx, fn)
		if tried || !damaged(err) {
			return err
		}
		if err := db.order(ctx, gen, err); err != nil {
			return err
		}
	}
}

func (db *DB) readOnce(ctx context.Context, fn func(*conn) error) (gen uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.pool != nil {
		return db.gen, db.pool.with(ctx, fn)
	}
	select {
	case <-db.closing:
		return db.gen, ErrClosed
	default:
		return db.gen, errors.Join(errors.New("index is being rebuilt"), db.Trouble())
	}
}

// badRow implements source: the row is dropped, and its directory's digest
// with it, so that the next scan looks again.
func (db *DB) badRow(v *View, dir, name string) {
	if db.badRows.Add(1) == 1 {
		db.log.Warn("index holds a damaged row, which is dropped", "path", join(dir, name))
	}
	select {
	case db.ops <- &op{view: v, dir: dir, name: name, change: dropEntry{onlyBad: true}}:
	default: // it will be found again
	}
}

// BadRows returns how many damaged rows were met since Open.
func (db *DB) BadRows() int64 { return db.badRows.Load() }

// Rebuilt tells that the index was made anew, now or before a restart, and
// that some root is not verified since; nil when all is well. Until every root
// is, deletions must wait and uploads should look at the bucket first.
func (db *DB) Rebuilt() *Rebuild { return db.rebuilt.Load() }

// Roots returns the keys of all roots that were ever used.
func (db *DB) Roots(ctx context.Context) (keys []RootKey, err error) {
	err = db.read(ctx, func(c *conn) error {
		keys, err = readRoots(c)
		return err
	})
	return keys, wrap("list roots of", db.dir, err)
}
