package state

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// A View reads what the index knows of one root. It is safe for concurrent
// use. No method holds a read open while its caller does something else, so
// that the log of the index can always be emptied.
type View struct {
	src  source
	key  RootKey
	seed uint32
	id   atomic.Int64 // the root's row; another one after a rebuild
}

// A source runs reads.
type source interface {
	// read calls fn with a connection, and again if the index was rebuilt meanwhile.
	read(ctx context.Context, fn func(*conn) error) error
	// badRow is told of a row whose checksum does not hold.
	badRow(v *View, dir, name string)
}

func newView(src source, key RootKey) *View {
	return &View{src: src, key: key, seed: key.seed()}
}

// Key returns what the root is known by.
func (v *View) Key() RootKey { return v.key }

// sum is the checksum that a record of dir/name begins with.
func (v *View) sum(dir, name string) uint32 {
	return fileSum(dirSum(v.seed, dir), []byte(name))
}

const (
	sqlLookup = "SELECT f.rec FROM dirs d JOIN files f ON f.dir=d.id WHERE d.root=? AND d.path=? AND f.name=?"
	sqlFiles  = "SELECT f.name, f.rec FROM dirs d JOIN files f ON f.dir=d.id WHERE d.root=? AND d.path=? AND f.name>? ORDER BY f.name LIMIT ?"
	sqlBelow  = "SELECT path FROM dirs WHERE root=? AND path>=? ORDER BY path"
	sqlDigest = "SELECT path, digest FROM dirs WHERE root=? AND path>=? ORDER BY path LIMIT ?"
	sqlCount  = "SELECT files, bytes FROM roots WHERE id=?"
)

// split cuts a path into directory and name.
func split(path string) (dir, name string, err error) {
	i := strings.LastIndexByte(path, '/')
	dir, name = path[:max(i, 0)], path[i+1:]
	if name == "" || i == 0 || strings.IndexByte(path, 0) >= 0 {
		return "", "", fmt.Errorf("index %q: not a relative path of a file", path)
	}
	return dir, name, nil
}

// Lookup returns what is known of a file; nil, nil when nothing is.
func (v *View) Lookup(ctx context.Context, path string) (*Entry, error) {
	dir, name, err := split(path)
	if err != nil {
		return nil, err
	}
	var rec []byte
	err = v.src.read(ctx, func(c *conn) error {
		row, err := c.first(context.Background(), sqlLookup, v.id.Load(), []byte(dir), []byte(name))
		if rec = nil; row != nil {
			rec = blob(row[0])
		}
		return err
	})
	if err != nil || rec == nil {
		return nil, wrap("look up", path, err)
	}
	e := new(Entry)
	if parseRecord(rec, v.sum(dir, name), e) != nil {
		v.src.badRow(v, dir, name)
		return nil, nil
	}
	return e, nil
}

// wrap says where an error of the index came from; nil stays nil.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q in the index: %w", op, path, err)
}

// maxFiles is how many files one read lists at most.
const maxFiles = 10_000

// Files lists the files of one directory whose names come after the given one,
// in byte order, but not those in directories below. It returns at most limit
// of them, and never more than 10,000; a limit of 0 means that. A directory is
// complete when fewer come.
func (v *View) Files(ctx context.Context, dir, after string, limit int) ([]Named, error) {
	if limit <= 0 || limit > maxFiles {
		limit = maxFiles
	}
	var files []Named
	var bad []string
	sum := dirSum(v.seed, dir)
	err := v.src.read(ctx, func(c *conn) error {
		files, bad = nil, nil
		from := []byte(after)
		for len(files) < limit {
			n := 0
			want := limit - len(files)
			err := c.query(context.Background(), func(row []driver.Value) error {
				n++
				from = blob(row[0])
				f := Named{Name: string(from)}
				if parseRecord(blob(row[1]), fileSum(sum, from), &f.Entry) != nil {
					bad = append(bad, f.Name)
					return nil
				}
				files = append(files, f)
				return nil
			}, sqlFiles, v.id.Load(), []byte(dir), from, int64(want))
			if err != nil || n < want {
				return err
			}
		}
		return nil
	})
	for _, name := range bad {
		v.src.badRow(v, dir, name)
	}
	return files, wrap("list", dir, err)
}

// Dirs returns the names of the directories in dir that hold, themselves or
// anywhere below, any entry; in byte order.
func (v *View) Dirs(ctx context.Context, dir string) ([]string, error) {
	var names []string
	prefix := []byte{}
	if dir != "" {
		prefix = []byte(dir + "/")
	}
	err := v.src.read(ctx, func(c *conn) error {
		names = nil
		for from := prefix; from != nil; {
			var behind []byte
			err := c.query(context.Background(), func(row []driver.Value) error {
				path := blob(row[0])
				rest, ok := bytes.CutPrefix(path, prefix)
				if !ok {
					return errStop
				}
				if len(path) == 0 {
					return nil // the root itself
				}
				name, _, deep := bytes.Cut(rest, []byte("/"))
				names = append(names, string(name))
				if deep { // skip all that is below the name
					behind = append(slices.Clip(path[:len(prefix)+len(name)]), '/'+1)
					return errStop
				}
				return nil
			}, sqlBelow, v.id.Load(), from)
			if err != nil {
				return err
			}
			from = behind
		}
		return nil
	})
	// "a-b" comes between "a" and "a/b", so a name can come twice.
	slices.Sort(names)
	return slices.Compact(names), wrap("list", dir, err)
}

// Digests hands the digest of every directory that has one to fn, in byte
// order. It is how an agent that starts learns what it need not read.
func (v *View) Digests(ctx context.Context, fn func(dir string, digest uint64) error) error {
	type dirDigest struct {
		path   []byte
		digest uint64
	}
	const limit = 1000
	for from, more := []byte{}, true; more; {
		var page []dirDigest
		err := v.src.read(ctx, func(c *conn) error {
			page = page[:0]
			return c.query(context.Background(), func(row []driver.Value) error {
				page = append(page, dirDigest{blob(row[0]), uint64(integer(row[1]))})
				return nil
			}, sqlDigest, v.id.Load(), from, int64(limit))
		})
		if err != nil {
			return wrap("read digests from", string(from), err)
		}
		for _, d := range page {
			from = append(slices.Clip(d.path), 0)
			if d.digest == 0 {
				continue
			}
			if err := fn(string(d.path), d.digest); err != nil {
				return err
			}
		}
		more = len(page) == limit
	}
	return nil
}

// Count returns how many files are known, and the sum of their sizes in bytes.
// It reads counters, whatever the number of files.
func (v *View) Count(ctx context.Context) (files, bytes int64, err error) {
	err = v.src.read(ctx, func(c *conn) error {
		row, err := c.first(context.Background(), sqlCount, v.id.Load())
		if err == nil && row != nil {
			files, bytes = integer(row[0]), integer(row[1])
		}
		return err
	})
	return files, bytes, wrap("count", v.key.Source, err)
}
