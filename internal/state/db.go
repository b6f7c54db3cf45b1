package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options tunes a DB. The zero value means the defaults.
type Options struct {
	Logger *slog.Logger // nil means none

	vfs       string // tests: another file layer below SQLite
	pragmas   string // tests: DSN parameters in place of the usual ones
	checkSize int64  // bytes up to which Open checks by itself; 0 means 32 MiB
}

// File names in the state directory.
const (
	indexName  = "index.db"
	snapName   = "index.snap"
	newName    = "index.new"      // complete, about to become index.db
	asideName  = "index.corrupt-" // and a time
	tempSuffix = ".tmp"
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
	batch  []*op

	ops     chan *op
	repairs chan repairOrder
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the committer has returned
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	once    sync.Once

	rootsMu sync.Mutex
	roots   map[RootKey]*Root
	self    *View // stands for the index where an op is about no root

	trouble atomic.Pointer[error]
	rebuilt atomic.Pointer[Rebuild]
	badRows atomic.Int64
	suspect atomic.Bool // not closed well before, and not checked since
}

// Open opens the index in dir, which is made if need be, and locks it until
// Close. What it cannot open it refuses: *LockedError when another agent has
// it, *NewerError when a later release wrote it, *RemoteError when dir is on a
// network file system. A damaged index is no error: it is rebuilt, which takes
// about ten seconds for a million files, and DB.Rebuilt tells.
func Open(ctx context.Context, dir string, opt Options) (*DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.checkSize == 0 {
		opt.checkSize = 32 << 20
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := errors.Join(checkLocal(dir), ownLocks()); err != nil {
		return nil, err
	}
	lock, existed, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	db := newDB(dir, opt, lock)
	if err := db.start(ctx, existed); err != nil {
		return nil, errors.Join(err, db.closeFiles(), lock.Close())
	}
	return db, nil
}

func newDB(dir string, opt Options, lock *os.File) *DB {
	db := &DB{
		dir: dir, opt: opt, log: opt.Logger, lock: lock,
		ops:     make(chan *op, queueLen),
		repairs: make(chan repairOrder),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		roots:   map[RootKey]*Root{},
	}
	db.self = newView(db, RootKey{})
	return db
}

func (db *DB) path(name string) string { return filepath.Join(db.dir, name) }

// start opens the files and starts the committer.
func (db *DB) start(ctx context.Context, existed bool) error {
	if err := db.finishExchange(); err != nil {
		return err
	}
	err := db.openFiles(existed)
	if err == nil && db.suspect.Load() {
		err = db.checkSmall(ctx)
	}
	if damaged(err) {
		err = db.rebuild(err)
	}
	if err != nil {
		return err
	}
	ctx, db.stop = context.WithCancel(context.WithoutCancel(ctx))
	db.tasks.Go(db.commitLoop)
	db.tasks.Go(func() { db.checkDue(ctx) })
	return nil
}

// openFiles opens the index. If one must exist, one that is not there or empty
// is damaged: a silent empty index would have everything sent again.
func (db *DB) openFiles(must bool) error {
	path := db.path(indexName)
	if st, err := os.Stat(path); must && (errors.Is(err, os.ErrNotExist) || err == nil && st.Size() == 0) {
		return fmt.Errorf("%w: %s is missing or empty", errDamaged, path)
	}
	c, err := connect(path, db.params(asWriter))
	if err != nil {
		return err
	}
	if err := db.adopt(c, must); err != nil {
		return errors.Join(err, c.close())
	}
	db.pool = newPool(path, db.params(asReader), min(runtime.GOMAXPROCS(0), 4))
	db.gen++
	return nil
}

// adopt makes c the writer's connection, once its file is known to be right.
func (db *DB) adopt(c *conn, must bool) error {
	if err := checkSQLite(c); err != nil {
		return err
	}
	format, err := inspect(c, db.path(indexName))
	if err != nil {
		return err
	}
	if format == 0 && must {
		return fmt.Errorf("%w: %s holds nothing", errDamaged, db.path(indexName))
	}
	if err := migrate(c, format, migrations[:]); err != nil {
		return err
	}
	if format == 0 {
		err = setMeta(c, metaChecked, time.Now().UnixMilli())
	}
	rebuilt, e := readRebuild(c)
	if err = errors.Join(err, e); err != nil {
		return err
	}
	w, err := newWriter(c)
	if err != nil {
		return err
	}
	db.rebuilt.Store(rebuilt)
	db.w, db.broken = w, nil
	db.suspect.Store(format != 0 && w.dirty)
	return nil
}

// params returns DSN parameters with what tests change about them.
func (db *DB) params(s string) string {
	if db.opt.vfs != "" {
		s += "&vfs=" + db.opt.vfs
	}
	if db.opt.pragmas == "" {
		return s
	}
	params := strings.Split(s, "&")
	for p := range strings.SplitSeq(db.opt.pragmas, "&") {
		name, _, _ := strings.Cut(p, "(")
		params = slices.DeleteFunc(params, func(s string) bool { return strings.HasPrefix(s, name+"(") })
		params = append(params, p)
	}
	return strings.Join(params, "&")
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

// putMeta sets a value of the table meta.
type putMeta struct {
	key string
	v   driver.Value
}

func (p putMeta) apply(w *writer, _ *op) error { return setMeta(w.c, p.key, p.v) }
