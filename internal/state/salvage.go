package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// build makes index.new from what can be read of the index and of the last
// snapshot. Rows of the damaged index whose checksums hold are facts. Rows
// that only the snapshot has may be outdated, so they become Assumed.
func (db *DB) build(cause error) (*Rebuild, error) {
	now := time.Now()
	report := &Rebuild{Time: now, Cause: cause.Error(), SetAside: db.asidePath(now)}
	temp := db.path(newName + tempSuffix)
	if err := errors.Join(removeAll(temp), removeAll(db.path(newName))); err != nil {
		return nil, err
	}
	c, err := connect(temp, db.params(asBuilder))
	if err != nil {
		return nil, err
	}
	if err := db.fill(c, report); err != nil {
		return nil, errors.Join(err, c.close(), removeAll(temp))
	}
	if err := errors.Join(c.close(), removeAll(db.path(newName+mendSuffix))); err != nil {
		return nil, err
	}
	if err := syncFile(temp); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, db.path(newName)); err != nil {
		return nil, err
	}
	return report, syncDir(db.dir)
}

func (db *DB) fill(c *conn, report *Rebuild) (err error) {
	if err := migrate(c, 0, db.opt.steps); err != nil {
		return err
	}
	w, err := newWriter(c)
	if err != nil {
		return err
	}
	w.rebuilt = true
	s := &salvage{w: w, roots: map[RootKey]*View{}}
	old, snap := db.openOld(indexName, ""), db.openOld(snapName, "&immutable=1")
	if old == nil {
		old = db.openMended(c)
	}
	for _, c := range []*conn{old, snap} {
		if c != nil {
			defer c.close()
		}
	}
	if report.Salvaged, err = s.take(old, old, false); err != nil {
		return err
	}
	if s.missed && snap != nil && old != nil {
		// The snapshot still knows directories that the index does not, by
		// the same ids; the checksums tell whether it is right.
		n, err := s.take(snap, old, false)
		if err != nil {
			return err
		}
		report.Salvaged += n
	}
	if report.Snapshot, err = s.take(snap, snap, true); err != nil {
		return err
	}
	return errors.Join(writeRebuild(c, report), setMeta(c, metaChecked, report.Time.UnixMilli()), setMeta(c, metaClean, int64(1)))
}

// openOld opens a file to read what is left in it; nil if it makes no sense.
func (db *DB) openOld(name, params string) *conn {
	path := db.path(name)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	c, err := connect(path, asGuest+params)
	if err == nil {
		if _, err = c.number(context.Background(), "SELECT count(*) FROM roots"); err == nil {
			return c
		}
		err = errors.Join(err, c.close())
	}
	db.log.Warn("file makes no sense to SQLite", "path", path, "err", err)
	return nil
}

// openMended opens a copy of the index whose first page, which holds no row,
// is that of the fresh file behind c: tables begin on the same pages in all
// files that went through the same migrations. The checksums of the rows tell
// if it is not so. It returns nil if there is nothing to mend.
func (db *DB) openMended(c *conn) *conn {
	path := db.path(newName + mendSuffix)
	err := errors.Join(removeAll(path), mend(c, db.path(indexName), path))
	if err == nil {
		var old *conn
		if old, err = connect(path, asGuest+"&immutable=1"); err == nil {
			return old
		}
	}
	db.log.Warn("index cannot be mended", "path", db.path(indexName), "err", err)
	return nil
}

// mend copies a database with another first page.
func mend(fresh *conn, from, to string) error {
	row, err := fresh.first(context.Background(), "SELECT data FROM sqlite_dbpage WHERE pgno=1")
	if err != nil {
		return err
	}
	page := blob(row[0])
	if len(page) != pageSize {
		return fmt.Errorf("mend: first page has %d bytes", len(page))
	}
	old, err := os.Open(from)
	if err != nil {
		return err
	}
	defer old.Close()
	mended, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err = io.Copy(mended, old); err == nil {
		clear(page[28:40]) // how many pages there are and are free: to be found out
		_, err = mended.WriteAt(page, 0)
	}
	return errors.Join(err, mended.Close())
}

// A salvage copies rows into a new index.
type salvage struct {
	w      *writer
	roots  map[RootKey]*View
	batch  []*op
	taken  int64
	missed bool // something could not be read
}

// take copies the files of every directory that names lists from c. It fails
// only if the new index cannot be written: what cannot be read is left.
func (s *salvage) take(names, c *conn, assumed bool) (int64, error) {
	if names == nil || c == nil {
		return 0, nil
	}
	before := s.taken
	if err := s.takeRoots(names, c, assumed); err != nil {
		return 0, err
	}
	return s.taken - before, s.flush()
}

const (
	sqlOldRoots   = "SELECT id, source, bucket, prefix, rec FROM roots ORDER BY id"
	sqlOldRootsUp = "SELECT id, source, bucket, prefix, rec FROM roots ORDER BY id DESC"
	sqlOldDirs    = "SELECT path, id FROM dirs WHERE root=? ORDER BY path"
	sqlOldDirsUp  = "SELECT path, id FROM dirs WHERE root=? ORDER BY path DESC"
	sqlOldFiles   = "SELECT name, rec FROM files WHERE dir=? ORDER BY name"
	sqlOldFilesUp = "SELECT name, rec FROM files WHERE dir=? ORDER BY name DESC"
)

func (s *salvage) takeRoots(names, c *conn, assumed bool) error {
	return s.bothWays(names, func(row []driver.Value) error {
		key := RootKey{string(blob(row[1])), string(blob(row[2])), string(blob(row[3]))}
		id := integer(row[0])
		v, err := s.root(key, parseRoot(blob(row[4]), key.seed()))
		if err != nil {
			return err
		}
		return s.bothWays(names, func(row []driver.Value) error {
			dir := string(blob(row[0]))
			return s.takeDir(c, v, dir, integer(row[1]), assumed)
		}, sqlOldDirs, sqlOldDirsUp, id)
	}, sqlOldRoots, sqlOldRootsUp)
}

// root makes the row of a root. It is not verified, whatever it was.
func (s *salvage) root(key RootKey, rec rootRecord) (*View, error) {
	if v := s.roots[key]; v != nil {
		return v, nil
	}
	v := newView(nil, key)
	ops := []*op{{view: v, change: addRoot{}}}
	if rec.identified {
		ops = append(ops, &op{view: v, change: editRoot(func(to *rootRecord) {
			to.identity, to.identified = rec.identity, true
		})})
	}
	s.roots[key] = v
	return v, s.write(ops)
}

func (s *salvage) takeDir(c *conn, v *View, dir string, id int64, assumed bool) error {
	sum := dirSum(v.seed, dir)
	return s.bothWays(c, func(row []driver.Value) error {
		name, rec := blob(row[0]), blob(row[1])
		var e Entry
		if parseRecord(rec, fileSum(sum, name), &e) != nil {
			return nil
		}
		if assumed {
			if e.Listed() {
				e.ETag = "" // the listing was of then
			}
			e.Assumed = true
			rec = appendRecord(nil, &e, fileSum(sum, name))
		}
		s.batch = append(s.batch, &op{view: v, dir: dir, name: string(name), change: putEntry{rec, e.Size, e.Assumed}})
		if len(s.batch) < 10*maxBatch {
			return nil
		}
		return s.flush()
	}, sqlOldFiles, sqlOldFilesUp, id)
}

// bothWays reads a table from its beginning, and if it breaks off there, from
// its end, so that as little as possible is lost around a damaged page.
func (s *salvage) bothWays(c *conn, fn func(row []driver.Value) error, down, up string, args ...driver.Value) error {
	for _, sql := range [...]string{down, up} {
		var wrong error // of our own, as against one of what is read
		err := c.query(context.Background(), func(row []driver.Value) error {
			wrong = fn(row)
			return wrong
		}, sql, args...)
		if wrong != nil || err == nil {
			return wrong
		}
		s.missed = true
	}
	return nil
}

// flush writes what has been collected, and counts what was not there yet.
func (s *salvage) flush() error {
	batch := s.batch
	s.batch = nil
	return s.write(batch)
}

func (s *salvage) write(batch []*op) error {
	if len(batch) == 0 {
		return nil
	}
	if err := s.w.commit(batch); err != nil {
		return err
	}
	for _, n := range s.w.tally {
		s.taken += n.files
	}
	return nil
}
