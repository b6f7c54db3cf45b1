package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Snapshot copies the index to index.snap, checked and durable, in place of
// the last one. An index that is damaged later is rebuilt from it. Call it
// daily and after whole scans; it takes half a second and 120 MB for a million
// files. Reads and commits go on meanwhile. Once a week it also checks the
// index itself.
func (db *DB) Snapshot(ctx context.Context) error {
	start := time.Now()
	temp := db.path(snapName + tempSuffix)
	if err := removeAll(temp); err != nil {
		return err
	}
	gen, err := db.alone(asReader, func(c *conn) error {
		if err := c.script(ctx, "PRAGMA query_only=0"); err != nil {
			return err
		}
		return c.exec(ctx, "VACUUM INTO ?", temp)
	})
	if damaged(err) {
		return wrap("snapshot", db.dir, db.order(ctx, gen, err))
	}
	if err == nil {
		err = db.keepSnapshot(ctx, temp)
	}
	if err != nil {
		return wrap("snapshot", db.dir, errors.Join(err, removeAll(temp)))
	}
	db.log.Debug("snapshot of the index taken", "path", db.path(snapName), "took", time.Since(start))
	db.checkDue(ctx)
	return nil
}

// keepSnapshot puts a snapshot in place once it is known to be whole.
func (db *DB) keepSnapshot(ctx context.Context, temp string) error {
	c, err := connect(temp, asGuest+"&immutable=1")
	if err != nil {
		return err
	}
	if err := errors.Join(quickCheck(ctx, c), c.close()); err != nil {
		return fmt.Errorf("check %s: %w", temp, err)
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, db.path(snapName)); err != nil {
		return err
	}
	return syncDir(db.dir)
}

// syncFile makes a closed file's content durable.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeAll removes a database that is not in use, with its log.
func removeAll(path string) error {
	var errs []error
	for _, suffix := range [...]string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
