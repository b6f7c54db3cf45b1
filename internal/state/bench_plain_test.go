package state

import (
	"context"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"testing"
)

// A plainLoop puts rows into a copy of the index with nothing around SQLite but
// its driver. In the same file the two would empty each other's caches.
type plainLoop struct {
	c    *conn
	dirs map[string]int64
}

func newPlainLoop(b *testing.B, dir string) *plainLoop {
	b.Helper()
	copied := filepath.Join(b.TempDir(), "plain.db")
	c, err := connect(filepath.Join(dir, indexName), asGuest)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(c.exec(b.Context(), "VACUUM INTO ?", copied), c.close()); err != nil {
		b.Fatal(err)
	}
	if c, err = connect(copied, asWriter); err != nil {
		b.Fatal(err)
	}
	p := &plainLoop{c, map[string]int64{}}
	if err := checkpoint(c); err != nil {
		b.Fatal(err)
	}
	err = c.query(b.Context(), func(row []driver.Value) error {
		p.dirs[string(blob(row[0]))] = integer(row[1])
		return nil
	}, "SELECT path, id FROM dirs")
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func (p *plainLoop) put(b *testing.B, r *Root, picks []int) {
	const batch = 64
	ctx := context.Background()
	for len(picks) > 0 {
		err := p.c.exec(ctx, "BEGIN IMMEDIATE")
		for _, k := range picks[:min(batch, len(picks))] {
			dir, name, _ := split(benchPath(k))
			e := entry(k)
			rec := appendRecord(nil, &e, r.sum(dir, name))
			err = errors.Join(err, p.c.exec(ctx, sqlPutFile, p.dirs[dir], []byte(name), rec))
		}
		if err = errors.Join(err, p.c.exec(ctx, "COMMIT")); err != nil {
			b.Fatal(err)
		}
		picks = picks[min(batch, len(picks)):]
	}
}
