package oss

import (
	"crypto/md5"
	"encoding/base64"
	"hash/crc64"
	"io"
	"os"
	"sync"
)

// A body is content that has arrived whole and is in a file.
type body struct {
	segs []segment // one reference each, which is the holder's to release
	size int64
	crc  uint64
	md5  [md5.Size]byte
}

// bufferSize is how much is hashed and written at a time; a body that fits is
// only written once it has arrived whole.
const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// receive stores the body of a request.
func (s *Server) receive(x *exchange) (*body, error) {
	length := x.r.ContentLength
	switch {
	case length < 0, length > 0: // chunked, or as long as it says
	case x.r.Header["Content-Length"] == nil:
		return nil, missingContentLength()
	}
	if length > maxPut {
		return nil, entityTooLarge(length, maxPut)
	}
	if err := checkMD5Header(x.header("Content-Md5")); err != nil {
		return nil, err
	}
	bd, err := s.store64(x.r.Body, length, maxPut, x.op == AppendObject)
	if err != nil {
		return nil, err
	}
	x.in += bd.size
	if want := x.header("Content-Md5"); want != "" && want != base64Sum(bd.md5[:]) {
		s.blobs.release(bd.segs)
		return nil, invalidDigest(want)
	}
	return bd, nil
}

// store64 copies r into a new blob and computes both of its sums on the way.
// The length is -1 where it is not known. With own set the blob is the body's
// alone, so that it can grow.
func (s *Server) store64(r io.Reader, length, limit int64, own bool) (*body, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	if length >= 0 && length <= bufferSize {
		return s.storeSmall(r, buf[:length], own)
	}
	bl, f, err := s.blobs.create()
	if err != nil {
		return nil, internalError(err)
	}
	bd := &body{segs: []segment{{blob: bl}}}
	err = bd.copy(f, r, buf[:], length, limit)
	if e := f.Close(); err == nil && e != nil {
		err = internalError(e)
	}
	if err != nil {
		s.blobs.release(bd.segs)
		return nil, err
	}
	bd.segs[0].size = bd.size
	return bd, nil
}

// storeSmall stores a body that fits into a buffer.
func (s *Server) storeSmall(r io.Reader, buf []byte, own bool) (*body, error) {
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, incompleteBody()
	}
	bd := &body{size: int64(len(buf)), crc: crc64.Checksum(buf, crcTable), md5: md5.Sum(buf)}
	if len(buf) == 0 {
		return bd, nil
	}
	var sg segment
	var err error
	if len(buf) <= maxPacked && !own {
		sg, err = s.blobs.packs.add(buf)
	} else {
		sg, err = s.blobs.storeFile(buf)
	}
	if err != nil {
		return nil, internalError(err)
	}
	bd.segs = []segment{sg}
	return bd, nil
}

// storeFile stores a body in a file of its own.
func (b *blobs) storeFile(buf []byte) (segment, error) {
	bl, f, err := b.create()
	if err != nil {
		return segment{}, err
	}
	sg := segment{bl, 0, int64(len(buf))}
	_, err = f.Write(buf)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		b.release([]segment{sg})
	}
	return sg, err
}

// copy is the loop of store64.
func (bd *body) copy(f *os.File, r io.Reader, buf []byte, length, limit int64) error {
	sum := md5.New()
	for {
		n, err := io.ReadFull(r, buf)
		bd.crc = crc64.Update(bd.crc, crcTable, buf[:n])
		sum.Write(buf[:n])
		if bd.size += int64(n); bd.size > limit {
			return entityTooLarge(bd.size, limit)
		}
		if _, err := f.Write(buf[:n]); err != nil {
			return internalError(err)
		}
		switch {
		case err == nil:
		case err == io.EOF, err == io.ErrUnexpectedEOF && (length < 0 || bd.size == length):
			if length >= 0 && bd.size != length {
				return incompleteBody()
			}
			sum.Sum(bd.md5[:0])
			return nil
		default:
			return incompleteBody()
		}
	}
}

// checkMD5Header checks the form of a Content-MD5, "" for none.
func checkMD5Header(v string) error {
	if v == "" {
		return nil
	}
	if sum, err := base64.StdEncoding.DecodeString(v); err != nil || len(sum) != md5.Size {
		return invalidDigest(v)
	}
	return nil
}

// checkMD5 checks a whole body against Content-MD5.
func (x *exchange) checkMD5(b []byte) error {
	want := x.header("Content-Md5")
	if want == "" {
		return nil
	}
	if err := checkMD5Header(want); err != nil {
		return err
	}
	if sum := md5.Sum(b); base64Sum(sum[:]) != want {
		return invalidDigest(want)
	}
	return nil
}
