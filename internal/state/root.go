package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Root is what the index knows of one source directory under one key, for
// reading and writing. It is safe for concurrent use.
//
// A method that changes something returns when that would survive a power
// failure, or else with an error. When ctx ends first, its error is returned
// and the change may still happen.
type Root struct {
	*View
	db *DB
}

// Root returns the root of that key, and makes an empty one where there is none.
func (db *DB) Root(ctx context.Context, key RootKey) (*Root, error) {
	if r := db.known(key, nil); r != nil {
		return r, nil
	}
	r := &Root{newView(db, key), db}
	if err := r.submit(ctx, &op{view: r.View, change: addRoot{}}); err != nil {
		return nil, wrap("open root", key.Source, err)
	}
	return db.known(key, r), nil
}

// known returns the root of that key if there is one in use, else r.
func (db *DB) known(key RootKey, r *Root) *Root {
	db.rootsMu.Lock()
	defer db.rootsMu.Unlock()
	if had := db.roots[key]; had != nil {
		return had
	}
	if r != nil {
		db.roots[key] = r
	}
	return r
}

const (
	sqlRoot       = "SELECT id FROM roots WHERE source=? AND bucket=? AND prefix=?"
	sqlAddRoot    = "INSERT INTO roots(id, source, bucket, prefix, rec, files, bytes) VALUES(?, ?, ?, ?, ?, 0, 0)"
	sqlNextRoot   = "SELECT max(ifnull(max(id), 0) + 1, ?) FROM roots"
	sqlSetRootRec = "UPDATE roots SET rec=? WHERE id=?"
	sqlRoots      = "SELECT source, bucket, prefix FROM roots ORDER BY id"
)

type addRoot struct{}

func (addRoot) apply(w *writer, o *op) error {
	id, err := w.root(o.view.key)
	o.view.id.Store(id)
	w.views[o.view] = true
	return err
}

// root finds the row of a root, or makes one.
func (w *writer) root(key RootKey) (int64, error) {
	ctx := context.Background()
	id, err := w.findRoot(key)
	if err != nil || id != 0 {
		return id, err
	}
	if id, err = w.c.number(ctx, sqlNextRoot, int64(firstID)); err != nil {
		return 0, err
	}
	return id, w.c.exec(ctx, sqlAddRoot, id, []byte(key.Source), []byte(key.Bucket), []byte(key.Prefix),
		rootRecord{doubted: w.rebuilt}.append(nil, key.seed()))
}

func (w *writer) findRoot(key RootKey) (int64, error) {
	return w.c.number(context.Background(), sqlRoot, []byte(key.Source), []byte(key.Bucket), []byte(key.Prefix))
}

// readRoots lists the keys of all roots.
func readRoots(c *conn) (keys []RootKey, err error) {
	err = c.query(context.Background(), func(row []driver.Value) error {
		keys = append(keys, RootKey{string(blob(row[0])), string(blob(row[1])), string(blob(row[2]))})
		return nil
	}, sqlRoots)
	return keys, err
}

// Record stores what is known of a file now, and ends its story of failure and,
// unless the entry is Assumed, its unfinished upload in the same commit. An
// Assumed entry does not replace one that is not.
func (r *Root) Record(ctx context.Context, path string, e Entry) error {
	o, err := r.put(path, &e)
	if err != nil {
		return err
	}
	return wrap("record", path, r.submit(ctx, o))
}

func (r *Root) put(path string, e *Entry) (*op, error) {
	dir, name, err := split(path)
	if err != nil {
		return nil, err
	}
	if rel, ok := strings.CutPrefix(e.Key, r.key.Prefix); ok && rel == path {
		usual := *e
		usual.Key = "" // what goes without saying is not stored
		e = &usual
	}
	rec := appendRecord(make([]byte, 0, 64+len(e.Key)), e, r.sum(dir, name))
	return &op{
		view: r.View, dir: dir, name: name, size: len(path) + len(rec),
		change: putEntry{rec, e.Size, e.Assumed},
	}, nil
}

// RecordAll is Record for many files at once, as a listing brings them. It is
// durable when it returns, but not one commit: after an error some may be
// stored and others not.
func (r *Root) RecordAll(ctx context.Context, files []Located) error {
	ops := make([]*op, len(files))
	for i := range files {
		var err error
		if ops[i], err = r.put(files[i].Path, &files[i].Entry); err != nil {
			return err
		}
	}
	return wrap("record files in", r.key.Source, r.submit(ctx, ops...))
}

// Forget drops the entry of a file and its story. An unfinished upload of it stays
// known until it is aborted.
func (r *Root) Forget(ctx context.Context, path string) error {
	return r.change(ctx, "forget", path, dropEntry{})
}

// ForgetAll is Forget for many files at once. It is durable when it returns,
// but not one commit.
func (r *Root) ForgetAll(ctx context.Context, paths []string) error {
	ops := make([]*op, len(paths))
	for i, path := range paths {
		dir, name, err := split(path)
		if err != nil {
			return err
		}
		ops[i] = &op{view: r.View, dir: dir, name: name, size: len(path), change: dropEntry{}}
	}
	return wrap("forget files in", r.key.Source, r.submit(ctx, ops...))
}

// SetDigest notes the digest of a directory as it was when every file in it
// was in sync; 0 means none. Whatever changes an entry in the directory clears
// it. A directory without entries keeps none. It is not durable when it
// returns, only in order: it is lost by a crash unless something later is not.
func (r *Root) SetDigest(ctx context.Context, dir string, digest uint64) error {
	return wrap("note digest of", dir, r.db.send(ctx, &op{view: r.View, dir: dir, size: len(dir), change: putDigest{digest}}))
}

// Fail stores the story of a file that could not be uploaded, until it is
// recorded or forgotten.
func (r *Root) Fail(ctx context.Context, f Failure) error {
	return r.change(ctx, "note failure of", f.Path, putFailure{f})
}

// SetIdentity stores which directory the entries are about.
func (r *Root) SetIdentity(ctx context.Context, id Identity) error {
	return wrap("identify", r.key.Source, r.submit(ctx, &op{view: r.View, change: editRoot(func(rec *rootRecord) {
		rec.identity, rec.identified = id, true
	})}))
}

// SetVerified tells whether a whole scan and a listing have confirmed the
// entries; see [View.Verified] and [View.Doubted]. The last root in use to be
// verified also ends what [DB.Rebuilt] tells.
func (r *Root) SetVerified(ctx context.Context, verified bool) error {
	err := r.submit(ctx, &op{view: r.View, change: editRoot(func(rec *rootRecord) {
		rec.verified, rec.doubted = verified, !verified
	})})
	if err == nil && verified && r.db.Rebuilt() != nil {
		err = r.db.endRebuild(ctx)
	}
	return wrap("verify", r.key.Source, err)
}

// endRebuild forgets the last rebuild if every root in use is verified.
func (db *DB) endRebuild(ctx context.Context) error {
	db.rootsMu.Lock()
	roots := slices.Collect(maps.Values(db.roots))
	db.rootsMu.Unlock()
	for _, r := range roots {
		if ok, err := r.Verified(ctx); err != nil || !ok {
			return err
		}
	}
	if err := db.submit(ctx, []*op{{view: db.self, change: putMeta{metaRebuilt, int64(0)}}}); err != nil {
		return err
	}
	db.rebuilt.Store(nil)
	return nil
}

type editRoot func(*rootRecord)

func (edit editRoot) apply(w *writer, o *op) error {
	ctx := context.Background()
	row, err := w.c.first(ctx, sqlRootRec, o.view.id.Load())
	if err != nil {
		return err
	}
	if row == nil {
		return fmt.Errorf("%w: root %q is gone", errDamaged, o.view.key.Source)
	}
	rec := parseRoot(blob(row[0]), o.view.seed)
	edit(&rec)
	return w.c.exec(ctx, sqlSetRootRec, rec.append(nil, o.view.seed), o.view.id.Load())
}

// change submits a change of one path and waits for it.
func (r *Root) change(ctx context.Context, verb, path string, c change) error {
	dir, name, err := split(path)
	if err != nil {
		return err
	}
	return wrap(verb, path, r.submit(ctx, &op{view: r.View, dir: dir, name: name, size: len(path), change: c}))
}

func (r *Root) submit(ctx context.Context, ops ...*op) error { return r.db.submit(ctx, ops) }

// BadRows returns how many damaged rows of any root were met since Open, those
// included that were told as unknown just now.
func (r *Root) BadRows() int64 { return r.db.BadRows() }

// Uploads returns what is remembered of unfinished multipart uploads.
func (r *Root) Uploads() *Uploads { return &Uploads{r} }

// Uploads remembers the multipart uploads of one root that have begun and are
// not completed. It is safe for concurrent use.
type Uploads struct{ r *Root }

// Begin remembers an upload, durably, in place of what was remembered for the path.
func (u *Uploads) Begin(ctx context.Context, path string, up Upload) error {
	dir, name, err := split(path)
	if err != nil {
		return err
	}
	rec := appendUpload(nil, &up, u.r.sum(dir, name))
	if err := u.r.change(ctx, "begin upload of", path, putUpload{rec}); err != nil {
		return err
	}
	for _, p := range up.Parts {
		if err := u.AddPart(ctx, path, p); err != nil {
			return err
		}
	}
	return nil
}

// AddPart adds a finished part to the upload of a path, if there is one. It
// does not wait for the disk: a crash may lose it, and the server knows it too.
func (u *Uploads) AddPart(ctx context.Context, path string, p Part) error {
	dir, name, err := split(path)
	if err != nil {
		return err
	}
	o := &op{view: u.r.View, dir: dir, name: name, size: len(path) + 64, change: putPart{p}}
	return wrap("add part to", path, u.r.db.send(ctx, o))
}

// Get returns the upload of a path with all parts that were added; nil, nil
// when nothing is remembered. It waits for those parts to be committed. To hear
// that there is nothing is cheap, so that every small file can ask.
func (u *Uploads) Get(ctx context.Context, path string) (*Upload, error) {
	if !u.r.db.unfinished.Load() {
		return nil, nil
	}
	if up, err := u.r.Upload(ctx, path); up == nil || err != nil {
		return nil, err
	}
	// Parts may be on their way still.
	if err := u.r.db.flush(ctx, u.r.View); err != nil {
		return nil, wrap("look up", path, err)
	}
	return u.r.Upload(ctx, path)
}

// Drop forgets the upload of a path.
func (u *Uploads) Drop(ctx context.Context, path string) error {
	return u.r.change(ctx, "drop upload of", path, dropUpload{})
}
