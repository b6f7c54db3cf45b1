package state

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Sums are the CRC-64s of the parts that a large object was made of. They tell
// which stretches of a file that has grown are in the object already. They are
// a hint: what is lost of them costs an upload of the whole file.
type Sums struct {
	Size     int64    // bytes of the object
	CRC64    uint64   // of the whole object, to tell which one they are of
	PartSize int64    // bytes of every part but the last
	Parts    []uint64 // CRC-64 of each part, in order
}

const (
	// LeastSummed is the least size of an object whose sums are kept, in bytes.
	LeastSummed = 1 << 20

	// mostSums bounds the record of one object to 80 KB: OSS knows no more
	// parts.
	mostSums = 10_000
)

const (
	sqlPutSums  = "INSERT OR REPLACE INTO sums(root, path, rec) VALUES(?, ?, ?)"
	sqlDropSums = "DELETE FROM sums WHERE root=? AND path=?"
	sqlSums     = "SELECT rec FROM sums WHERE root=? AND path=?"
)

// appendSums appends s as a record. sum is the fileSum of its path.
func appendSums(b []byte, s *Sums, sum uint32) []byte {
	from := len(b)
	b = append(b, recordVersion)
	b = binary.AppendVarint(b, s.Size)
	b = binary.LittleEndian.AppendUint64(b, s.CRC64)
	b = binary.AppendVarint(b, s.PartSize)
	for _, crc := range s.Parts {
		b = binary.LittleEndian.AppendUint64(b, crc)
	}
	return seal(b, from, sum)
}

func parseSums(rec []byte, sum uint32) (*Sums, error) {
	body, ok := unseal(rec, sum)
	r := reader{b: body}
	if !ok || r.byte() != recordVersion {
		return nil, errRecord
	}
	s := &Sums{Size: r.varint(), CRC64: r.uint64(), PartSize: r.varint()}
	for len(r.b) > 0 && !r.bad {
		s.Parts = append(s.Parts, r.uint64())
	}
	if r.bad || s.PartSize <= 0 || int64(len(s.Parts)) != (s.Size+s.PartSize-1)/s.PartSize {
		return nil, errRecord
	}
	return s, nil
}

// putSums stores a record, or drops it where there is none.
type putSums struct{ rec []byte }

func (p putSums) apply(w *writer, o *op) error {
	ctx := context.Background()
	if p.rec == nil {
		return w.c.exec(ctx, sqlDropSums, o.view.id.Load(), []byte(o.path()))
	}
	return w.c.exec(ctx, sqlPutSums, o.view.id.Load(), []byte(o.path()), p.rec)
}

// dropSums ends what is told of the parts of an object of that size.
func (w *writer) dropSums(o *op, size int64) error {
	if size < LeastSummed {
		return nil
	}
	return putSums{}.apply(w, o)
}

// Keep remembers the parts of the object that a file became, after its Record;
// one without parts forgets them. It does not wait for the disk. The sums end
// with the entry, or with the next Record.
func (u *Uploads) Keep(ctx context.Context, path string, s Sums) error {
	dir, name, err := split(path)
	if err != nil {
		return err
	}
	if len(s.Parts) > mostSums || len(s.Parts) > 0 && s.Size < LeastSummed {
		return fmt.Errorf("keep sums of %q in the index: %d parts of %d bytes", path, len(s.Parts), s.Size)
	}
	var rec []byte
	if len(s.Parts) > 0 {
		rec = appendSums(nil, &s, u.r.sum(dir, name))
	}
	o := &op{view: u.r.View, dir: dir, name: name, size: len(path) + len(rec), change: putSums{rec}}
	return wrap("keep sums of", path, u.r.db.send(ctx, o))
}

// Kept returns what Keep remembered of a path; nil, nil when that is nothing.
func (u *Uploads) Kept(ctx context.Context, path string) (*Sums, error) {
	if err := u.r.db.flush(ctx, u.r.View); err != nil {
		return nil, wrap("look up", path, err)
	}
	return u.r.Sums(ctx, path)
}

// Sums returns the sums of the parts of a file's object; nil, nil when there
// are none.
func (v *View) Sums(ctx context.Context, path string) (s *Sums, err error) {
	dir, name, err := split(path)
	if err != nil {
		return nil, err
	}
	err = v.src.read(ctx, func(c *conn) error {
		row, err := c.first(context.Background(), sqlSums, v.id.Load(), []byte(path))
		if s = nil; err == nil && row != nil {
			s, _ = parseSums(blob(row[0]), v.sum(dir, name)) // a damaged one is none
		}
		return err
	})
	return s, wrap("look up", path, err)
}

// All is [View.Unfinished], after all that is on its way.
func (u *Uploads) All(ctx context.Context) ([]PathUpload, error) {
	if err := u.r.db.flush(ctx, u.r.View); err != nil {
		return nil, wrap("list uploads of", u.r.key.Source, err)
	}
	return u.r.Unfinished(ctx)
}

// Unfinished lists the unfinished uploads of the root, by path, without their
// parts.
func (v *View) Unfinished(ctx context.Context) (list []PathUpload, err error) {
	paths, err := v.UploadPaths(ctx)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		u, err := v.Upload(ctx, path)
		if err != nil {
			return nil, err
		}
		if u != nil {
			u.Parts = nil
			list = append(list, PathUpload{path, *u})
		}
	}
	return list, nil
}

// A PathUpload is an unfinished upload with the path of its file.
type PathUpload struct {
	Path string
	Upload
}
