package state

import (
	"context"
	"database/sql/driver"
	"time"
)

// A change is one thing that a commit does. It may be applied again, when the
// commit failed and is repeated.
type change interface {
	apply(w *writer, o *op) error
}

// An op is a change on its way to the committer.
type op struct {
	view   *View
	dir    string // where it belongs in the sorted batch; "" for what concerns a root
	name   string
	size   int // bytes that it adds to the commit, roughly
	change change
	ack    *ack // nil when nobody waits
}

// path returns the path that the op is about.
func (o *op) path() string { return join(o.dir, o.name) }

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

type putEntry struct {
	rec     []byte
	bytes   int64 // the file's size
	assumed bool
}

func (p putEntry) apply(w *writer, o *op) error {
	d, err := w.dir(o.view, o.dir, true)
	if err != nil {
		return err
	}
	var old Entry
	known, kept, err := p.put(w, o, d, &old)
	if err != nil || kept {
		return err
	}
	n := w.tally[o.view]
	if !known {
		n.files++
	}
	n.bytes += p.bytes - old.Size
	w.tally[o.view] = n
	if err := w.digest(o.view, o.dir, d, 0); err != nil {
		return err
	}
	if err := w.dropSums(o, old.Size); err != nil {
		return err
	}
	if w.uploads && !p.assumed {
		if err := w.dropUpload(o); err != nil { // it has become the object
			return err
		}
	}
	return w.dropFailure(o)
}

// put writes the row and tells what it replaces, if anything. Where new files
// follow each other, adding the row is tried before looking for one. A row
// that was verified is kept rather than replaced by a guess.
func (p putEntry) put(w *writer, o *op, d *dirInfo, old *Entry) (known, kept bool, err error) {
	ctx := context.Background()
	name := []byte(o.name)
	if d.grows {
		added, err := w.c.change(ctx, sqlAddFile, d.id, name, p.rec)
		if added || err != nil {
			d.grows = added
			return false, false, err
		}
	}
	if known, err = w.entry(d, o, name, old); err != nil {
		return known, false, err
	}
	d.grows = !known
	if p.assumed && known && !old.Assumed {
		return known, true, nil
	}
	return known, false, w.c.exec(ctx, sqlPutFile, d.id, name, p.rec)
}

// entry reads the row that is about to be replaced. A damaged one counts for
// nothing, so the counters are taken anew.
func (w *writer) entry(d *dirInfo, o *op, name []byte, old *Entry) (known bool, err error) {
	row, err := w.c.first(context.Background(), sqlFile, d.id, name)
	if err != nil || row == nil {
		return false, err
	}
	if parseRecord(blob(row[0]), fileSum(d.sum, name), old) != nil {
		*old = Entry{}
		w.bare[o.view] = true
		return false, nil
	}
	return true, nil
}

type dropEntry struct {
	onlyBad bool // drop it if it is damaged still, for a reader found it so
}

func (f dropEntry) apply(w *writer, o *op) error {
	d, err := w.dir(o.view, o.dir, false)
	if err != nil {
		return err
	}
	if d != nil {
		if err := f.drop(w, o, d); err != nil {
			return err
		}
	}
	if f.onlyBad {
		return nil
	}
	return w.dropFailure(o)
}

func (f dropEntry) drop(w *writer, o *op, d *dirInfo) error {
	name := []byte(o.name)
	var old Entry
	known, err := w.entry(d, o, name, &old)
	if err != nil || known && f.onlyBad {
		return err
	}
	if err := w.c.exec(context.Background(), sqlDropFile, d.id, name); err != nil {
		return err
	}
	if known {
		n := w.tally[o.view]
		w.tally[o.view] = counters{n.files - 1, n.bytes - old.Size}
	}
	if err := w.dropSums(o, old.Size); err != nil {
		return err
	}
	w.emptied[dirKey{o.view.id.Load(), o.dir}] = d
	return w.digest(o.view, o.dir, d, 0)
}

type putDigest struct{ digest uint64 }

func (p putDigest) apply(w *writer, o *op) error {
	d, err := w.dir(o.view, o.dir, false)
	if err != nil || d == nil {
		return err // nothing is known there, so there is nothing to spare reading
	}
	return w.digest(o.view, o.dir, d, p.digest)
}

const (
	sqlUploadID    = "SELECT id FROM uploads WHERE root=? AND path=?"
	sqlPutUpload   = "INSERT INTO uploads(root, path, rec) VALUES(?, ?, ?)"
	sqlDropUpload  = "DELETE FROM uploads WHERE id=?"
	sqlPutPart     = "INSERT OR REPLACE INTO parts(upload, part, rec) VALUES(?, ?, ?)"
	sqlDropParts   = "DELETE FROM parts WHERE upload=?"
	sqlPutFailure  = "INSERT OR REPLACE INTO failures(root, path, tries, since, due, err) VALUES(?, ?, ?, ?, ?, ?)"
	sqlDropFailure = "DELETE FROM failures WHERE root=? AND path=?"
)

type putUpload struct{ rec []byte }

func (p putUpload) apply(w *writer, o *op) error {
	w.uploads = true
	if err := w.dropUpload(o); err != nil {
		return err
	}
	return w.c.exec(context.Background(), sqlPutUpload, o.view.id.Load(), []byte(o.path()), p.rec)
}

type putPart struct{ part Part }

func (p putPart) apply(w *writer, o *op) error {
	ctx := context.Background()
	row, err := w.c.first(ctx, sqlUpload, o.view.id.Load(), []byte(o.path()))
	if err != nil || row == nil {
		return err // dropped meanwhile
	}
	u, err := parseUpload(blob(row[1]), o.view.sum(o.dir, o.name))
	if err != nil {
		return w.dropUpload(o)
	}
	rec := appendPart(nil, &p.part, partSum(u.ID))
	return w.c.exec(ctx, sqlPutPart, integer(row[0]), int64(p.part.Number), rec)
}

type dropUpload struct{}

func (dropUpload) apply(w *writer, o *op) error { return w.dropUpload(o) }

func (w *writer) dropUpload(o *op) error {
	ctx := context.Background()
	row, err := w.c.first(ctx, sqlUploadID, o.view.id.Load(), []byte(o.path()))
	if err != nil || row == nil {
		return err
	}
	id := integer(row[0])
	if err := w.c.exec(ctx, sqlDropParts, id); err != nil {
		return err
	}
	return w.c.exec(ctx, sqlDropUpload, id)
}

// dropFailure ends what is told of a path that is settled now.
func (w *writer) dropFailure(o *op) error {
	if w.failures {
		return w.c.exec(context.Background(), sqlDropFailure, o.view.id.Load(), []byte(o.path()))
	}
	return nil
}

type putFailure struct{ f Failure }

func (p putFailure) apply(w *writer, o *op) error {
	w.failures = true
	return w.c.exec(context.Background(), sqlPutFailure, o.view.id.Load(), []byte(p.f.Path),
		int64(p.f.Tries), millis(p.f.Since), millis(p.f.Due), p.f.Err)
}

// millis is 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// moment is the reverse of millis.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// nothing is waited for, to know that all before it is committed.
type nothing struct{}

func (nothing) apply(*writer, *op) error { return nil }

// putMeta sets a value of the table meta.
type putMeta struct {
	key string
	v   driver.Value
}

func (p putMeta) apply(w *writer, _ *op) error { return setMeta(w.c, p.key, p.v) }
