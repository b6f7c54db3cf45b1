package oss

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// A blob is one file of content, which never changes but by growing: an
// appendable object's with the object, a pack's with what is added to it.
// Objects, parts, copies and readers share it; when the last has let go of it
// the file is removed.
type blob struct {
	id     uint64
	refs   atomic.Int32
	memory atomic.Pointer[[]byte] // the content, where the file may not have it yet; guarded by packs.mu
}

// A segment is the part of an object's content that one blob holds: size bytes
// from off.
type segment struct {
	*blob
	off, size int64
}

// blobs is the directory of the files of content: data/XX/ID, where XX is the
// last byte of the number ID, both hexadecimal.
type blobs struct {
	dir    string
	lastID atomic.Uint64
	retire func(*blob) // is told of each blob that no one has a reference to
	packs  *packs
}

const fanOut = 256

func openBlobs(dir string) (*blobs, error) {
	b := &blobs{dir: filepath.Join(dir, "data")}
	for i := range fanOut {
		if err := os.MkdirAll(filepath.Join(b.dir, fmt.Sprintf("%02x", i)), 0o700); err != nil {
			return nil, err
		}
	}
	b.packs = newPacks(b)
	return b, nil
}

func (b *blobs) path(id uint64) string {
	name := make([]byte, 0, len(b.dir)+32)
	name = append(name, b.dir...)
	name = append(name, filepath.Separator, "0123456789abcdef"[id>>4&15], "0123456789abcdef"[id&15], filepath.Separator)
	return string(strconv.AppendUint(name, id, 16))
}

// create makes a new blob and the file to write to. The caller holds the only
// reference.
func (b *blobs) create() (*blob, *os.File, error) {
	bl := &blob{id: b.lastID.Add(1)}
	bl.refs.Store(1)
	f, err := os.OpenFile(b.path(bl.id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return bl, f, err
}

// reclaim removes the file of a blob that neither anyone has a reference to nor
// the store a record of. A file that cannot be removed is removed at the next
// start.
func (b *blobs) reclaim(bl *blob) { os.Remove(b.path(bl.id)) }

// open opens a segment that the caller has a reference to, at its byte off.
func (b *blobs) open(sg segment, off int64) (io.ReadCloser, error) {
	if m := b.packs.peek(sg); m != nil {
		return io.NopCloser(bytes.NewReader(m[off:])), nil
	}
	f, err := os.Open(b.path(sg.id))
	if err != nil {
		return nil, err
	}
	if at := sg.off + off; at > 0 {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// hold takes one more reference to each segment.
func hold(segs []segment) {
	for _, s := range segs {
		s.refs.Add(1)
	}
}

// release gives one reference to each segment back.
func (b *blobs) release(segs []segment) {
	for _, s := range segs {
		if s.refs.Add(-1) == 0 {
			b.retire(s.blob)
		}
	}
}

// sweep removes the files that no record tells of: those of uploads that were
// cut off by the end of the process.
func (b *blobs) sweep(known map[uint64]*blob) error {
	for i := range fanOut {
		dir := filepath.Join(b.dir, fmt.Sprintf("%02x", i))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			id, err := strconv.ParseUint(e.Name(), 16, 64)
			if err != nil || known[id] != nil {
				continue
			}
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// A content reads a range of an object's segments, one open file at a time.
type content struct {
	blobs *blobs
	segs  []segment
	off   int64 // in the first of segs
	left  int64
	file  io.ReadCloser
}

// newContent returns a reader of n bytes from off. The caller must keep a
// reference to the segments until it has closed it.
func newContent(b *blobs, segs []segment, off, n int64) *content {
	for len(segs) > 0 && off >= segs[0].size {
		off -= segs[0].size
		segs = segs[1:]
	}
	return &content{blobs: b, segs: segs, off: off, left: n}
}

// next opens the file that the next byte is in and returns how many there are
// of it to read.
func (c *content) next() (io.Reader, int64, error) {
	if c.left <= 0 {
		return nil, 0, io.EOF
	}
	for len(c.segs) > 0 && c.off >= c.segs[0].size {
		c.Close()
		c.off -= c.segs[0].size
		c.segs = c.segs[1:]
	}
	if len(c.segs) == 0 {
		return nil, 0, io.ErrUnexpectedEOF
	}
	if c.file == nil {
		f, err := c.blobs.open(c.segs[0], c.off)
		if err != nil {
			return nil, 0, err
		}
		c.file = f
	}
	return c.file, min(c.left, c.segs[0].size-c.off), nil
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	f, n, err := c.next()
	if err != nil {
		return 0, err
	}
	m, err := f.Read(p[:min(int64(len(p)), n)])
	c.off += int64(m)
	c.left -= int64(m)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file is shorter than its record
	}
	return m, err
}

// WriteTo implements io.WriterTo, so that the kernel may copy a file to the
// socket.
func (c *content) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		f, n, err := c.next()
		if err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		m, err := io.Copy(w, io.LimitReader(f, n))
		total += m
		c.off += m
		c.left -= m
		if err != nil {
			return total, err
		}
		if m < n {
			return total, io.ErrUnexpectedEOF
		}
	}
}

// Close closes the file that is open.
func (c *content) Close() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}
