package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// checkEvery is how often the whole index is checked though nothing is suspect.
const checkEvery = 7 * 24 * time.Hour

// quickCheck lets SQLite look at every page. It takes 0.2 s for a million files.
func quickCheck(ctx context.Context, c *conn) error {
	row, err := c.first(ctx, "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	if len(row) == 0 || text(row[0]) != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, text(row[0]))
	}
	return nil
}

// checkSmall checks an index that was not closed well, at once if that takes
// no noticeable time. A larger one is checked while it is in use already: a
// row that a damaged page shows is refused by its checksum, and one that it
// hides costs a second look.
func (db *DB) checkSmall(ctx context.Context) error {
	st, err := os.Stat(db.path(indexName))
	if err != nil || st.Size() > db.opt.checkSize {
		return err
	}
	if err := quickCheck(ctx, db.w.c); err != nil {
		return err
	}
	db.suspect.Store(false)
	return nil
}

// checkDue checks the index in the background if it is suspect or a week has passed.
func (db *DB) checkDue(ctx context.Context) {
	var last int64
	err := db.read(ctx, func(c *conn) (err error) {
		last, err = c.number(ctx, sqlMeta, metaChecked)
		return err
	})
	if err == nil && !db.suspect.Load() && time.Since(time.UnixMilli(last)) < checkEvery {
		return
	}
	if err := db.Check(ctx); err != nil && ctx.Err() == nil {
		db.log.Warn("index not checked", "path", db.path(indexName), "err", err)
	}
}

// Check looks at every page of the index, and rebuilds it if one is damaged.
// Reads and commits go on meanwhile. Open and Snapshot call it when it is due.
func (db *DB) Check(ctx context.Context) error {
	start := time.Now()
	gen, err := db.alone(asReader, func(c *conn) error { return quickCheck(ctx, c) })
	if damaged(err) {
		return wrap("check", db.dir, db.order(ctx, gen, err))
	}
	if err != nil {
		return wrap("check", db.dir, err)
	}
	db.suspect.Store(false)
	db.log.Debug("index checked", "path", db.path(indexName), "took", time.Since(start))
	return wrap("check", db.dir, db.submit(ctx, []*op{{view: db.self, change: putMeta{metaChecked, time.Now().UnixMilli()}}}))
}

// alone calls fn with a connection of its own, for what takes long. The files
// are not exchanged meanwhile.
func (db *DB) alone(params string, fn func(c *conn) error) (gen uint64, err error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.pool == nil {
		return db.gen, errors.Join(ErrClosed, db.Trouble())
	}
	c, err := connect(db.path(indexName), db.params(params))
	if err != nil {
		return db.gen, err
	}
	return db.gen, errors.Join(fn(c), c.close())
}
