package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// A Reader is an index opened for reading only, beside the agent that writes
// it or without one. It is safe for concurrent use.
type Reader struct {
	path    string
	pool    *pool
	rebuilt *Rebuild
	badRows atomic.Int64
}

// OpenReader opens the index in dir for reading. It changes nothing and needs
// no lock. An error wraps fs.ErrNotExist where there is no index; a damaged
// one is an error here, for only the agent repairs it.
func OpenReader(ctx context.Context, dir string) (*Reader, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if err := errors.Join(checkLocal(dir), ownLocks()); err != nil {
		return nil, err
	}
	r, err := openReader(ctx, path, asGuest)
	if c := code(err); c == codeCantOpen || c == codeReadOnly {
		// The directory is not ours to write the log's helpers to. Without a
		// log nobody is writing, and the file can be read as it stands.
		if st, e := os.Stat(path + "-wal"); e != nil || st.Size() == 0 {
			r, err = openReader(ctx, path, asGuest+"&immutable=1")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	return r, nil
}

func openReader(ctx context.Context, path, params string) (*Reader, error) {
	r := &Reader{path: path, pool: newPool(path, params, 2)}
	err := r.read(ctx, func(c *conn) error {
		format, err := inspect(c, path, len(migrations))
		if err != nil {
			return err
		}
		if format != len(migrations) {
			return fmt.Errorf("index has format %d, the agent must bring it to %d first", format, len(migrations))
		}
		r.rebuilt, err = readRebuild(c)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Roots returns the keys of all roots that were ever used.
func (r *Reader) Roots(ctx context.Context) (keys []RootKey, err error) {
	err = r.read(ctx, func(c *conn) error {
		keys, err = readRoots(c)
		return err
	})
	return keys, wrap("list roots of", r.path, err)
}

// Root returns the root of that key; nil, nil where there is none.
func (r *Reader) Root(ctx context.Context, key RootKey) (*View, error) {
	v := newView(r, key)
	err := r.read(ctx, func(c *conn) error {
		id, err := c.number(context.Background(), sqlRoot, []byte(key.Source), []byte(key.Bucket), []byte(key.Prefix))
		v.id.Store(id)
		return err
	})
	if err != nil || v.id.Load() == 0 {
		return nil, wrap("open root", key.Source, err)
	}
	return v, nil
}

// Rebuilt is as [DB.Rebuilt] was when the index was opened.
func (r *Reader) Rebuilt() *Rebuild { return r.rebuilt }

// BadRows returns how many damaged rows were met.
func (r *Reader) BadRows() int64 { return r.badRows.Load() }

// Close closes the index. Nothing of it may be in use.
func (r *Reader) Close() error { return r.pool.close() }

func (r *Reader) read(ctx context.Context, fn func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.pool.with(ctx, fn)
}

func (r *Reader) badRow(*View, string, string) { r.badRows.Add(1) }
