package oss

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
)

// A blob is one file of content, which never changes but for an appendable
// object's, and that only grows. Objects, parts, copies and readers share it;
// when the last has let go of it the file is removed, or used again.
type blob struct {
	id     uint64
	refs   atomic.Int32
	length int64 // of the file, at least; read once no one has a reference
}

// A segment is the part of an object's content that one blob holds: its first
// size bytes.
type segment struct {
	*blob
	size int64
}

// blobs is the directory of the files of content: data/XX/ID, where XX is the
// last byte of the number ID, both hexadecimal.
type blobs struct {
	dir    string
	lastID atomic.Uint64
	retire func(*blob) // is told of each blob that no one has a reference to

	mu   sync.Mutex
	free []*blob // whose files may be used again
}

const (
	fanOut = 256

	// maxFree files of up to maxFreeLength bytes are kept to be used again. It
	// spares small puts over old keys both the removal of a file and the
	// creation of one, which on ext4 takes ten times as long when others have
	// just been removed.
	maxFree       = 1024
	maxFreeLength = 64 << 10 // less than bufferSize
)

func openBlobs(dir string) (*blobs, error) {
	b := &blobs{dir: filepath.Join(dir, "data")}
	for i := range fanOut {
		if err := os.MkdirAll(filepath.Join(b.dir, fmt.Sprintf("%02x", i)), 0o700); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *blobs) path(id uint64) string {
	name := make([]byte, 0, len(b.dir)+32)
	name = append(name, b.dir...)
	name = append(name, filepath.Separator, "0123456789abcdef"[id>>4&15], "0123456789abcdef"[id&15], filepath.Separator)
	return string(strconv.AppendUint(name, id, 16))
}

// create makes a new blob and the file to write to, for size bytes, or -1 if
// that is not known. The caller holds the only reference.
func (b *blobs) create(size int64) (*blob, *os.File, error) {
	if 0 <= size && size <= maxFreeLength {
		if bl, f := b.reuse(size); bl != nil {
			return bl, f, nil
		}
	}
	bl := &blob{id: b.lastID.Add(1), length: max(size, 0)}
	bl.refs.Store(1)
	f, err := os.OpenFile(b.path(bl.id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return bl, f, err
}

// reuse makes a blob of a file that is free, nil if there is none.
func (b *blobs) reuse(size int64) (*blob, *os.File) {
	b.mu.Lock()
	if len(b.free) == 0 {
		b.mu.Unlock()
		return nil, nil
	}
	old := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	b.mu.Unlock()
	f, err := os.OpenFile(b.path(old.id), os.O_WRONLY, 0)
	if err != nil {
		return nil, nil
	}
	if old.length > size {
		if err := f.Truncate(size); err != nil {
			f.Close()
			return nil, nil
		}
	}
	bl := &blob{id: old.id, length: size}
	bl.refs.Store(1)
	return bl, f
}

// reclaim frees the file of a blob that neither anyone has a reference to nor
// the store a record of. A file that cannot be removed is removed at the next
// start.
func (b *blobs) reclaim(bl *blob) {
	b.mu.Lock()
	if bl.length <= maxFreeLength && len(b.free) < maxFree {
		b.free = append(b.free, bl)
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	os.Remove(b.path(bl.id))
}

// close removes the files that are free.
func (b *blobs) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bl := range b.free {
		os.Remove(b.path(bl.id))
	}
	b.free = nil
}

// open opens a blob that the caller has a reference to.
func (b *blobs) open(bl *blob) (*os.File, error) { return os.Open(b.path(bl.id)) }

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
			s.length = max(s.length, s.size)
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
	file  *os.File
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
func (c *content) next() (*os.File, int64, error) {
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
		f, err := c.blobs.open(c.segs[0].blob)
		if err != nil {
			return nil, 0, err
		}
		c.file = f
		if c.off > 0 {
			if _, err := f.Seek(c.off, io.SeekStart); err != nil {
				return nil, 0, err
			}
		}
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

// WriteTo implements io.WriterTo, so that the kernel may copy a large file to
// the socket. A small one must not go that way: the pages that wait in the
// socket are those of the file, which may be used again before they are sent.
func (c *content) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		f, n, err := c.next()
		if err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		var m int64
		if c.segs[0].size <= maxFreeLength {
			m, err = copySmall(w, f, n)
		} else {
			m, err = io.Copy(w, io.LimitReader(f, n))
		}
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

// copySmall copies what fits into a buffer.
func copySmall(w io.Writer, f *os.File, n int64) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	m, err := io.ReadFull(f, buf[:n])
	if err != nil {
		return 0, err
	}
	m, err = w.Write(buf[:m])
	return int64(m), err
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
