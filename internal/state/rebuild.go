package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A repairOrder asks the committer to rebuild the index.
type repairOrder struct {
	gen   uint64 // of the files that are damaged
	cause error
	done  chan error
}

// order has the index rebuilt, unless that has happened since generation gen.
func (db *DB) order(ctx context.Context, gen uint64, cause error) error {
	r := repairOrder{gen, cause, make(chan error, 1)}
	select {
	case db.repairs <- r:
		return <-r.done
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closing:
		return errors.Join(ErrClosed, cause)
	}
}

// repair carries out an order.
func (db *DB) repair(r repairOrder) error {
	if r.gen != db.gen {
		return nil
	}
	return db.rebuild(r.cause)
}

// rebuild closes the files and makes an index anew.
func (db *DB) rebuild(cause error) error {
	db.log.Error("index is damaged, making it anew", "path", db.path(indexName), "err", cause)
	db.broken = cause
	return db.reopen(cause)
}

// reopen builds a new index, exchanges the files and opens them. When it fails
// there is no index, until it is called again and succeeds.
func (db *DB) reopen(cause error) error {
	db.mending.Store(true)
	defer db.mending.Store(false)
	db.mu.Lock()
	defer db.mu.Unlock()
	start := time.Now()
	views := map[*View]bool{}
	if db.w != nil {
		views = db.w.views
	}
	for v := range db.lost {
		views[v] = true
	}
	db.lost = views
	// A file that is damaged may well not be closed without complaint.
	if err := db.closeFiles(); err != nil {
		db.log.Debug("damaged index not closed well", "err", err)
	}
	if err := db.replace(cause, views); err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	report := db.made
	db.lost, db.made = nil, nil
	if db.opt.OnRebuild != nil {
		db.opt.OnRebuild()
	}
	db.log.Warn("index was made anew, the old one is set aside; deletions wait until all is verified",
		"path", report.SetAside, "took", time.Since(start))
	return nil
}

// replace makes the new index, puts it in the place of the old one and opens it.
// Called again after a failure, it goes on with the new index that there is.
func (db *DB) replace(cause error, views map[*View]bool) error {
	if db.made == nil {
		report, err := db.build(cause)
		if err != nil {
			return err
		}
		db.made = report
	}
	_, err := os.Lstat(db.path(newName))
	if err == nil {
		err = db.exchange(db.made.SetAside)
	} else if errors.Is(err, os.ErrNotExist) {
		err = nil // it is in place
	}
	if err == nil {
		err = db.openFiles(true)
	}
	if err == nil {
		if err = db.settle(views); err != nil {
			err = errors.Join(err, db.closeFiles()) // nobody is to use it as it is
		}
	}
	if damaged(err) {
		db.made = nil
	}
	return err
}

// settle gives the roots in use their rows in the new index.
func (db *DB) settle(views map[*View]bool) error {
	var batch []*op
	for v := range views {
		batch = append(batch, &op{view: v, change: addRoot{}})
	}
	if len(batch) == 0 {
		return nil
	}
	return db.w.commit(batch)
}

// exchange puts index.new in the place of the index, which is set aside. Each
// step can be cut short: finishExchange goes on from there.
func (db *DB) exchange(aside string) error {
	if aside != "" {
		for _, suffix := range [...]string{"-shm", "-wal", ""} {
			err := os.Rename(db.path(indexName)+suffix, aside+suffix)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := syncDir(db.dir); err != nil {
			return err
		}
	}
	if err := db.finishExchange(); err != nil {
		return err
	}
	return db.pruneAside()
}

// finishExchange completes an exchange that a crash cut short, and removes
// what one left unfinished.
func (db *DB) finishExchange() error {
	for _, name := range [...]string{newName + tempSuffix, newName + mendSuffix, snapName + tempSuffix} {
		if err := removeAll(db.path(name)); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(db.path(newName)); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if _, err := os.Lstat(db.path(indexName)); err == nil {
		// The old one is there still, so that it can all be done again.
		return removeAll(db.path(newName))
	}
	if err := removeAll(db.path(indexName)); err != nil { // a log without its file
		return err
	}
	if err := os.Rename(db.path(newName), db.path(indexName)); err != nil {
		return err
	}
	return syncDir(db.dir)
}

// keepAside is how many damaged indexes are kept for those who want to look.
const keepAside = 2

func (db *DB) pruneAside() error {
	names, err := filepath.Glob(db.path(asideName + "*"))
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(s string) bool {
		return strings.HasSuffix(s, "-wal") || strings.HasSuffix(s, "-shm")
	})
	slices.Sort(names) // their names are times
	var errs []error
	for len(names) > keepAside {
		errs = append(errs, removeAll(names[0]))
		names = names[1:]
	}
	return errors.Join(errs...)
}

// asidePath returns where the index goes that is there now, "" if none is.
func (db *DB) asidePath(now time.Time) string {
	if _, err := os.Lstat(db.path(indexName)); err != nil {
		return ""
	}
	return db.path(asideName + now.UTC().Format("20060102T150405.000Z"))
}

// readRebuild reads what the table meta says of a rebuild.
func readRebuild(c *conn) (*Rebuild, error) {
	ctx := context.Background()
	when, err := c.number(ctx, sqlMeta, metaRebuilt)
	if err != nil || when == 0 {
		return nil, err
	}
	r := &Rebuild{Time: moment(when)}
	var errs []error
	str := func(key string, to *string) {
		row, err := c.first(ctx, sqlMeta, key)
		if err == nil && row != nil {
			*to = text(row[0])
		}
		errs = append(errs, err)
	}
	num := func(key string, to *int64) {
		var err error
		*to, err = c.number(ctx, sqlMeta, key)
		errs = append(errs, err)
	}
	str(metaCause, &r.Cause)
	str(metaAside, &r.SetAside)
	num(metaSalvaged, &r.Salvaged)
	num(metaSnapshot, &r.Snapshot)
	return r, errors.Join(errs...)
}

func writeRebuild(c *conn, r *Rebuild) error {
	return errors.Join(
		setMeta(c, metaRebuilt, r.Time.UnixMilli()), setMeta(c, metaCause, r.Cause), setMeta(c, metaAside, r.SetAside),
		setMeta(c, metaSalvaged, r.Salvaged), setMeta(c, metaSnapshot, r.Snapshot))
}
