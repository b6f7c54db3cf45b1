package oss

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

// appendObject adds the body to the end of an appendable object, which it makes
// if there is none.
func (s *Server) appendObject(x *exchange, b *bucket) error {
	v := x.query.get("position")
	position, err := strconv.ParseInt(v, 10, 64)
	if err != nil || position < 0 {
		return invalidArgument("The append position must be a number that is not negative.", "position", v, "0026-00000201")
	}
	if err := s.checkAppend(b, x.key, position); err != nil {
		return err
	}
	o, err := newObject(x, b)
	if err != nil {
		return err
	}
	o.kind = appendable
	bd, err := s.receive(x)
	if err != nil {
		return err
	}
	result, err := s.extend(x, b, o, bd, position)
	if err != nil {
		return err
	}
	x.set("X-Oss-Next-Append-Position", strconv.FormatInt(result.size, 10))
	x.set("Etag", quote(result.etag))
	x.setVersion(b, result)
	x.setCRC(result.crc)
	x.done(http.StatusOK)
	return nil
}

// checkAppend refuses, before the body is read, what extend would refuse.
func (s *Server) checkAppend(b *bucket, key string, position int64) error {
	o, err := b.find(key, "", false)
	if err != nil {
		return positionMatches(nil, position)
	}
	return positionMatches(o, position)
}

// positionMatches checks that an append at position continues o, which is nil
// if there is no object.
func positionMatches(o *object, position int64) error {
	size := int64(0)
	if o != nil {
		size = o.size
		if o.kind != appendable {
			return &Error{Status: 409, Code: "ObjectNotAppendable", Message: "The object is not appendable.", EC: "0026-00000208"}
		}
	}
	if position != size {
		return (&Error{Status: 409, Code: "PositionNotEqualToLength", Message: "Position is not equal to file length.",
			EC: "0026-00000207"}).withHeader("X-Oss-Next-Append-Position", strconv.FormatInt(size, 10))
	}
	return nil
}

// extend makes the body the end of the object under the key. Appends happen one
// after the other. The file of the object grows in place: whoever reads it
// reads no more than the size it had when the read began.
func (s *Server) extend(x *exchange, b *bucket, fresh *object, bd *body, position int64) (*object, error) {
	s.appending.Lock()
	defer s.appending.Unlock()
	old, err := b.find(x.key, "", true)
	if err != nil {
		if err := positionMatches(nil, position); err != nil {
			s.blobs.release(bd.segs)
			return nil, err
		}
		fresh.fill(bd)
		fresh.md5, fresh.etag = nil, appendETag(fresh)
		guard := func(now *object) error { return positionMatches(now, position) }
		if err := b.put(x.key, fresh, guard); err != nil {
			s.blobs.release(bd.segs)
			return nil, err
		}
		return fresh, nil
	}
	defer s.blobs.release(old.segs)
	defer s.blobs.release(bd.segs)
	if err := positionMatches(old, position); err != nil {
		return nil, err
	}
	if old.size+bd.size > maxPut {
		return nil, entityTooLarge(old.size+bd.size, maxPut)
	}
	next := old.clone()
	if err := s.grow(next, bd); err != nil {
		s.blobs.release(next.segs)
		return nil, internalError(err)
	}
	// An append after the first changes the ACL, and nothing else of what the
	// headers say.
	if fresh.acl != "" {
		next.acl = fresh.acl
	}
	next.modified = fresh.modified
	if !b.replace(x.key, old, next) {
		return nil, &Error{Status: 409, Code: "OperationConflict", Message: "The object was replaced during the append.", EC: "0026-00000209"}
	}
	return next, nil
}

// grow copies the body to the end of the object's file.
func (s *Server) grow(o *object, bd *body) error {
	if bd.size == 0 {
		return nil
	}
	if len(o.segs) == 0 { // it was empty until now
		hold(bd.segs)
		o.segs = []segment{bd.segs[0]}
	} else {
		f, err := os.OpenFile(s.blobs.path(o.segs[0].id), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		c := newContent(s.blobs, bd.segs, 0, bd.size)
		_, err = io.Copy(io.NewOffsetWriter(f, o.size), c)
		c.Close()
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		o.segs = []segment{{o.segs[0].blob, 0, o.size + bd.size}}
	}
	o.crc = combineCRC(o.crc, bd.crc, bd.size)
	o.size += bd.size
	o.etag = appendETag(o)
	return nil
}

// appendETag is no MD5, as that of the service is none.
func appendETag(o *object) string { return fmt.Sprintf("%016X%016X", o.crc, uint64(o.size)) }
