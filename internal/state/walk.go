package state

import (
	"bytes"
	"context"
	"database/sql/driver"
)

const sqlWalk = "SELECT d.path, f.name, f.rec FROM dirs d JOIN files f ON f.dir=d.id WHERE d.root=? AND d.path>=? ORDER BY d.path, f.name"

// A page of a walk ends with the first directory that fills it, or within one
// that is very large.
const (
	pageFull = 250
	pageMax  = 1000
)

// Walk hands every entry to fn, directory by directory, both in byte order,
// until fn fails. fn runs while nothing is being read; changes made meanwhile
// may be seen or not. The entry is good until fn returns.
func (v *View) Walk(ctx context.Context, fn func(path string, e *Entry) error) error {
	for at := (cursor{dir: []byte{}}); !at.end; {
		var page walkPage
		err := v.src.read(ctx, func(c *conn) (err error) {
			page = walkPage{entries: page.entries[:0], sum: page.sum}
			return page.read(c, v, at)
		})
		if err != nil {
			return wrap("walk", string(at.dir), err)
		}
		for _, path := range page.bad {
			if dir, name, err := split(path); err == nil {
				v.src.badRow(v, dir, name)
			}
		}
		for i := range page.entries {
			if err := fn(page.entries[i].Path, &page.entries[i].Entry); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		at = page.next
	}
	return nil
}

// A cursor is where a walk goes on.
type cursor struct {
	dir   []byte // at this directory or the next one
	after []byte // behind this name in it; nil from its beginning
	end   bool
}

type walkPage struct {
	entries []Located
	bad     []string
	next    cursor

	dir    []byte // of the last row
	prefix string // the same with a slash
	sum    uint32 // and as the checksums begin
}

func (p *walkPage) read(c *conn, v *View, at cursor) error {
	ctx := context.Background()
	if at.after == nil {
		p.next.end = true // unless the page fills up
		return c.query(ctx, func(row []driver.Value) error {
			if dir := blob(row[0]); p.dir == nil || !bytes.Equal(p.dir, dir) {
				if len(p.entries) >= pageFull {
					p.next = cursor{dir: append([]byte{}, dir...)}
					return errStop
				}
				p.enter(v, dir)
			}
			p.add(blob(row[1]), blob(row[2]))
			if len(p.entries) == pageMax {
				p.next = cursor{dir: p.dir, after: blob(row[1])}
				return errStop
			}
			return nil
		}, sqlWalk, v.id.Load(), at.dir)
	}
	p.enter(v, at.dir)
	p.next = cursor{dir: append(p.dir[:len(p.dir):len(p.dir)], 0)}
	n := 0
	return c.query(ctx, func(row []driver.Value) error {
		p.add(blob(row[0]), blob(row[1]))
		if n++; n == pageMax {
			p.next = cursor{dir: at.dir, after: blob(row[0])}
		}
		return nil
	}, sqlFiles, v.id.Load(), at.dir, at.after, int64(pageMax))
}

func (p *walkPage) enter(v *View, dir []byte) {
	p.dir = append([]byte{}, dir...)
	p.prefix = string(dir)
	p.sum = dirSum(v.seed, p.prefix)
	if p.prefix != "" {
		p.prefix += "/"
	}
}

func (p *walkPage) add(name, rec []byte) {
	p.entries = append(p.entries, Located{Path: p.prefix + string(name)})
	last := len(p.entries) - 1
	if parseRecord(rec, fileSum(p.sum, name), &p.entries[last].Entry) != nil {
		p.bad = append(p.bad, p.entries[last].Path)
		p.entries = p.entries[:last]
	}
}
