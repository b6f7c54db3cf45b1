package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
)

// A writer is the one connection that writes, and what it remembers between
// commits. It belongs to the committer.
type writer struct {
	c        *conn
	nextDir  int64               // ids are never given twice in one life of the process
	dirs     map[dirKey]*dirInfo // a bounded part of the table dirs
	rowless  map[dirKey]bool     // directories that have no row, a bounded number
	uploads  bool                // the table may hold rows, of any root
	failures bool
	rebuilt  bool           // it is an index that was made of a damaged one, now or earlier
	views    map[*View]bool // whose ids are this index's
	dirty    bool           // the index says so since it was opened
	written  int            // commits since the log was emptied

	// The rest is about the transaction in progress.
	tally   map[*View]counters
	emptied map[dirKey]*dirInfo // directories that lost a file
	bare    map[*View]bool      // roots whose counters must be taken anew
}

type dirKey struct {
	root int64
	path string
}

type dirInfo struct {
	id     int64
	digest uint64
	sum    uint32 // of root and path, for the checksums of its rows
	grows  bool   // the last file put there was new, so the next one may be too
}

type counters struct{ files, bytes int64 }

// maxDirs is how many directories a writer remembers, about 1 MiB of them.
const maxDirs = 8192

const (
	sqlDir       = "SELECT id, digest FROM dirs WHERE root=? AND path=?"
	sqlAddDir    = "INSERT OR REPLACE INTO dirs(root, path, id, digest) VALUES(?, ?, ?, ?)"
	sqlDropDir   = "DELETE FROM dirs WHERE root=? AND path=?"
	sqlDirHolds  = "SELECT 1 FROM files WHERE dir=? LIMIT 1"
	sqlFile      = "SELECT rec FROM files WHERE dir=? AND name=?"
	sqlAddFile   = "INSERT OR IGNORE INTO files(dir, name, rec) VALUES(?, ?, ?)"
	sqlPutFile   = "INSERT OR REPLACE INTO files(dir, name, rec) VALUES(?, ?, ?)"
	sqlDropFile  = "DELETE FROM files WHERE dir=? AND name=?"
	sqlTally     = "UPDATE roots SET files=files+?, bytes=bytes+? WHERE id=?"
	sqlSetTally  = "UPDATE roots SET files=?, bytes=? WHERE id=?"
	sqlDirsByID  = "SELECT path, id FROM dirs WHERE root=?"
	sqlDirFiles  = "SELECT name, rec FROM files WHERE dir=? ORDER BY name"
	sqlHasUpload = "SELECT EXISTS(SELECT 1 FROM uploads)"
	sqlHasFail   = "SELECT EXISTS(SELECT 1 FROM failures)"
)

// newWriter takes over a connection to a file of the present format.
func newWriter(c *conn) (*writer, error) {
	ctx := context.Background()
	w := &writer{c: c, dirs: map[dirKey]*dirInfo{}, rowless: map[dirKey]bool{}, views: map[*View]bool{}}
	clean, err := c.number(ctx, sqlMeta, metaClean)
	if err != nil {
		return nil, err
	}
	w.dirty = clean != 1
	w.written = 1 // what is left in the log
	// A directory's row lives only as long as it holds a file, so the greatest
	// id in use is found at the end of the table files.
	last, err := c.number(ctx, "SELECT max(dir) FROM files")
	if err != nil {
		return nil, err
	}
	w.nextDir = max(last+1, firstID)
	cause, err := c.first(ctx, sqlMeta, metaCause)
	if err != nil {
		return nil, err
	}
	w.rebuilt = cause != nil
	w.begin()
	return w, w.look()
}

// look finds out whether there are uploads and failures to care about.
func (w *writer) look() error {
	uploads, err := w.c.number(context.Background(), sqlHasUpload)
	if err != nil {
		return err
	}
	failures, err := w.c.number(context.Background(), sqlHasFail)
	w.uploads, w.failures = uploads != 0, failures != 0
	return err
}

func (w *writer) begin() {
	w.tally = map[*View]counters{}
	w.emptied = map[dirKey]*dirInfo{}
	w.bare = map[*View]bool{}
	if len(w.dirs) > maxDirs {
		clear(w.dirs)
	}
	if len(w.rowless) > maxDirs {
		clear(w.rowless)
	}
}

// commit makes a batch durable, all of it or nothing. It sorts the batch by
// directory and name, so that it touches few pages; changes of one path stay
// in order.
func (w *writer) commit(batch []*op) error {
	ctx := context.Background()
	slices.SortStableFunc(batch, func(a, b *op) int {
		if a.view != b.view {
			return int(a.view.id.Load() - b.view.id.Load())
		}
		if c := strings.Compare(a.dir, b.dir); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	w.begin()
	if err := w.c.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := w.apply(batch)
	if err == nil && !w.dirty {
		err = setMeta(w.c, metaClean, int64(0))
	}
	if err == nil {
		err = w.c.exec(ctx, "COMMIT")
	}
	if err != nil {
		clear(w.dirs)
		// SQLite has rolled back already after some errors, and says so.
		if e := w.c.exec(ctx, "ROLLBACK"); e != nil && code(e) != codeError {
			err = errors.Join(err, e)
		}
		return err
	}
	w.dirty = true
	w.written++
	return nil
}

func (w *writer) apply(batch []*op) error {
	for _, o := range batch {
		if err := o.change.apply(w, o); err != nil {
			return err
		}
	}
	if err := w.sweep(); err != nil {
		return err
	}
	for v, n := range w.tally {
		if w.bare[v] {
			continue
		}
		if err := w.c.exec(context.Background(), sqlTally, n.files, n.bytes, v.id.Load()); err != nil {
			return err
		}
	}
	for v := range w.bare {
		if err := w.recount(v); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the rows of directories that hold no file any more.
func (w *writer) sweep() error {
	ctx := context.Background()
	for k, d := range w.emptied {
		if row, err := w.c.first(ctx, sqlDirHolds, d.id); err != nil {
			return err
		} else if row != nil {
			continue
		}
		if err := w.c.exec(ctx, sqlDropDir, k.root, []byte(k.path)); err != nil {
			return err
		}
		delete(w.dirs, k)
	}
	return nil
}

// recount takes a root's counters from its rows.
func (w *writer) recount(v *View) error {
	ctx := context.Background()
	var n counters
	err := w.c.query(ctx, func(dir []driver.Value) error {
		sum := dirSum(v.seed, string(blob(dir[0])))
		return w.c.query(ctx, func(row []driver.Value) error {
			var e Entry
			if parseRecord(blob(row[1]), fileSum(sum, blob(row[0])), &e) == nil {
				n.files, n.bytes = n.files+1, n.bytes+e.Size
			}
			return nil
		}, sqlDirFiles, integer(dir[1]))
	}, sqlDirsByID, v.id.Load())
	if err != nil {
		return err
	}
	return w.c.exec(ctx, sqlSetTally, n.files, n.bytes, v.id.Load())
}

// dir finds the row of a directory, or makes one if asked to; nil without.
func (w *writer) dir(v *View, path string, make bool) (*dirInfo, error) {
	ctx := context.Background()
	k := dirKey{v.id.Load(), path}
	if d := w.dirs[k]; d != nil {
		return d, nil
	}
	row, err := w.c.first(ctx, sqlDir, k.root, []byte(path))
	if err != nil {
		return nil, err
	}
	if row != nil {
		d := &dirInfo{id: integer(row[0]), digest: uint64(integer(row[1])), sum: dirSum(v.seed, path)}
		w.dirs[k] = d
		return d, nil
	}
	if !make {
		return nil, nil
	}
	d := &dirInfo{id: w.nextDir, sum: dirSum(v.seed, path), grows: true}
	if err := w.c.exec(ctx, sqlAddDir, k.root, []byte(path), d.id, int64(0)); err != nil {
		return nil, err
	}
	w.nextDir++
	w.dirs[k] = d
	delete(w.rowless, k)
	return d, w.doubtAbove(v, path)
}

// doubtAbove drops the digest of the directory above that is the next to have a
// row. Its listing was in order as long as the index held nothing below path; now
// it is only if it shows the way there. Those above that one have shown the way
// to it all along.
func (w *writer) doubtAbove(v *View, path string) error {
	for path != "" {
		path = path[:max(0, strings.LastIndexByte(path, '/'))]
		k := dirKey{v.id.Load(), path}
		if w.rowless[k] {
			continue
		}
		d, err := w.dir(v, path, false)
		if err != nil {
			return err
		}
		if d != nil {
			return w.digest(v, path, d, 0)
		}
		w.rowless[k] = true
	}
	return nil
}

// digest notes what a directory looked like when all in it was in sync.
func (w *writer) digest(v *View, path string, d *dirInfo, digest uint64) error {
	if d.digest == digest {
		return nil
	}
	d.digest = digest
	return w.c.exec(context.Background(), sqlAddDir, v.id.Load(), []byte(path), d.id, int64(digest))
}
