package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

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
	if opt.steps == nil {
		opt.steps = migrations[:]
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
		enough:  make(chan struct{}, 1),
		repairs: make(chan repairOrder),
		pulses:  make(chan chan struct{}),
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
		return because(path, err)
	}
	if err := db.adopt(c, must); err != nil {
		return errors.Join(err, c.close())
	}
	db.pool = newPool(path, db.params(asReader), min(runtime.GOMAXPROCS(0), 4))
	db.gen++
	return nil
}

// because adds the system's reason to SQLite's word that it cannot open a file.
// Nothing in this process may have it open, for its locks would be lost.
func because(path string, err error) error {
	if code(err) != codeCantOpen {
		return err
	}
	f, reason := os.OpenFile(path, os.O_RDWR, 0)
	if reason == nil {
		return errors.Join(err, f.Close())
	}
	return fmt.Errorf("%w: %w", err, reason)
}

// adopt makes c the writer's connection, once its file is known to be right.
func (db *DB) adopt(c *conn, must bool) error {
	if err := checkSQLite(c); err != nil {
		return err
	}
	format, err := inspect(c, db.path(indexName), len(db.opt.steps))
	if err != nil {
		return err
	}
	if format == 0 && must {
		return fmt.Errorf("%w: %s holds nothing", errDamaged, db.path(indexName))
	}
	if err := migrate(c, format, db.opt.steps); err != nil {
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
	db.unfinished.Store(w.uploads)
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
