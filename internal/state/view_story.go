package state

import (
	"context"
	"database/sql/driver"
)

const (
	sqlFailure     = "SELECT path, err, tries, since, due FROM failures WHERE root=? AND path=?"
	sqlFailures    = "SELECT path, err, tries, since, due FROM failures WHERE root=? ORDER BY path LIMIT ?"
	sqlFailCount   = "SELECT count(*) FROM failures WHERE root=?"
	sqlUpload      = "SELECT id, rec FROM uploads WHERE root=? AND path=?"
	sqlParts       = "SELECT rec FROM parts WHERE upload=? ORDER BY part"
	sqlUploadPaths = "SELECT path FROM uploads WHERE root=? ORDER BY path"
	sqlRootRec     = "SELECT rec FROM roots WHERE id=?"
)

// maxFailures is how many failures are told at once.
const maxFailures = 1000

func failure(row []driver.Value) Failure {
	return Failure{
		Path: string(blob(row[0])), Err: text(row[1]), Tries: int(integer(row[2])),
		Since: moment(integer(row[3])), Due: moment(integer(row[4])),
	}
}

// Failures returns the stories of the first 1,000 files, by path, that could
// not be uploaded. [View.FailureCount] tells how many there are.
func (v *View) Failures(ctx context.Context) (list []Failure, err error) {
	err = v.src.read(ctx, func(c *conn) error {
		list = nil
		return c.query(context.Background(), func(row []driver.Value) error {
			list = append(list, failure(row))
			return nil
		}, sqlFailures, v.id.Load(), int64(maxFailures))
	})
	return list, wrap("list failures of", v.key.Source, err)
}

// Failure returns the story of one file; nil, nil when it did not fail.
func (v *View) Failure(ctx context.Context, path string) (f *Failure, err error) {
	err = v.src.read(ctx, func(c *conn) error {
		row, err := c.first(context.Background(), sqlFailure, v.id.Load(), []byte(path))
		if f = nil; row != nil {
			found := failure(row)
			f = &found
		}
		return err
	})
	return f, wrap("look up", path, err)
}

// FailureCount returns how many files could not be uploaded.
func (v *View) FailureCount(ctx context.Context) (n int64, err error) {
	err = v.src.read(ctx, func(c *conn) error {
		n, err = c.number(context.Background(), sqlFailCount, v.id.Load())
		return err
	})
	return n, wrap("count failures of", v.key.Source, err)
}

// Upload returns the unfinished upload of a file; nil, nil when there is none.
func (v *View) Upload(ctx context.Context, path string) (u *Upload, err error) {
	dir, name, err := split(path)
	if err != nil {
		return nil, err
	}
	err = v.src.read(ctx, func(c *conn) error {
		u, err = v.readUpload(c, path, v.sum(dir, name))
		return err
	})
	return u, wrap("look up", path, err)
}

// readUpload leaves out what is damaged: a part will be sent again, and an
// upload whose row is bad is as if it had not begun.
func (v *View) readUpload(c *conn, path string, sum uint32) (*Upload, error) {
	ctx := context.Background()
	row, err := c.first(ctx, sqlUpload, v.id.Load(), []byte(path))
	if err != nil || row == nil {
		return nil, err
	}
	u, err := parseUpload(blob(row[1]), sum)
	if err != nil {
		return nil, nil
	}
	err = c.query(ctx, func(part []driver.Value) error {
		if p, err := parsePart(blob(part[0]), partSum(u.ID)); err == nil {
			u.Parts = append(u.Parts, p)
		}
		return nil
	}, sqlParts, integer(row[0]))
	return u, err
}

// UploadPaths returns the files that have an unfinished upload, in byte order.
func (v *View) UploadPaths(ctx context.Context) (paths []string, err error) {
	err = v.src.read(ctx, func(c *conn) error {
		paths = nil
		return c.query(context.Background(), func(row []driver.Value) error {
			paths = append(paths, string(blob(row[0])))
			return nil
		}, sqlUploadPaths, v.id.Load())
	})
	return paths, wrap("list uploads of", v.key.Source, err)
}

// record reads the root's own row.
func (v *View) record(ctx context.Context) (r rootRecord, err error) {
	err = v.src.read(ctx, func(c *conn) error {
		row, err := c.first(context.Background(), sqlRootRec, v.id.Load())
		if r = (rootRecord{}); row != nil {
			r = parseRoot(blob(row[0]), v.seed)
		}
		return err
	})
	return r, wrap("read root", v.key.Source, err)
}

// Identity returns which directory the entries are about. ok is false where
// none was set yet, or where the row was damaged.
func (v *View) Identity(ctx context.Context) (id Identity, ok bool, err error) {
	r, err := v.record(ctx)
	return r.identity, r.identified, err
}

// Verified tells whether a whole scan and a listing have confirmed the entries
// since the root was new or the index was rebuilt. Until then nothing that is
// missing on disk may be deleted from the bucket, and what is missing in the
// index may be there already.
func (v *View) Verified(ctx context.Context) (bool, error) {
	r, err := v.record(ctx)
	return r.verified, err
}

// Doubted tells whether the index was rebuilt since the entries were verified
// last, or before there were any: the bucket may then hold objects that the
// index knows nothing of, and lack some that it knows.
func (v *View) Doubted(ctx context.Context) (bool, error) {
	r, err := v.record(ctx)
	return r.doubted, err
}
