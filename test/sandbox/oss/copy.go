package oss

import (
	"strconv"
	"strings"
)

// A source is an object that a copy reads, with a reference to its content.
type source struct {
	bucket *bucket
	key    string
	object *object
}

// readSource finds the source of a copy: "/bucket/key?versionId=id", escaped.
func (s *Server) readSource(x *exchange) (*source, error) {
	v := x.header("X-Oss-Copy-Source")
	bad := func() error {
		return invalidArgument("Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.", "x-oss-copy-source", v, "0016-00000801")
	}
	path, raw, _ := strings.Cut(strings.TrimPrefix(v, "/"), "?")
	// Some clients escape the slash after the bucket too.
	name, key, ok := strings.Cut(path, "/")
	if !ok {
		if path, ok = unescape(path, false); ok {
			name, key, ok = strings.Cut(path, "/")
		}
	} else if key, ok = unescape(key, false); ok {
		name, ok = unescape(name, false)
	}
	q, qok := parseQuery(raw)
	if !ok || !qok || !validBucket(name) || !validKey(key) {
		return nil, bad()
	}
	b := s.bucket(name)
	if b == nil {
		return nil, noSuchBucket(name)
	}
	o, _, err := b.resolve(key, q.get("versionId"))
	if err != nil {
		return nil, err
	}
	src := &source{b, key, o}
	if err := s.checkSource(x, src); err != nil {
		s.blobs.release(o.segs)
		return nil, err
	}
	return src, nil
}

func (s *Server) checkSource(x *exchange, src *source) error {
	if err := s.checkRead(x, src.bucket, src.object); err != nil {
		return err
	}
	if classes[src.object.class] && !s.readable(src.object, x.now) {
		return (&Error{Status: 403, Code: "InvalidObjectState",
			Message: "The operation is not valid for the object's state.", EC: "0016-00000701"}).with("ObjectName", src.key)
	}
	return checkConditions(x, src.object, "X-Oss-Copy-Source-If-Match", "X-Oss-Copy-Source-If-None-Match",
		"X-Oss-Copy-Source-If-Modified-Since", "X-Oss-Copy-Source-If-Unmodified-Since")
}

func (s *Server) copyObject(x *exchange, b *bucket) error {
	src, err := s.readSource(x)
	if err != nil {
		return err
	}
	defer s.blobs.release(src.object.segs)
	if src.object.size > maxCopy {
		return entityTooLarge(src.object.size, maxCopy)
	}
	if err := checkOverwrite(x, b); err != nil {
		return err
	}
	o, err := copyOf(x, b, src)
	if err != nil {
		return err
	}
	hold(o.segs) // the copy shares the files
	if err := b.put(x.key, o, x.overwriteGuard()); err != nil {
		s.blobs.release(o.segs)
		return err
	}
	if src.bucket.versioned() {
		x.set("X-Oss-Copy-Source-Version-Id", src.object.versionID())
	}
	x.setVersion(b, o)
	x.setEncryption(o)
	x.setCRC(o.crc)
	var d document
	d.start()
	d.open("CopyObjectResult")
	d.text("ETag", quote(o.etag))
	x.set("Etag", quote(o.etag))
	d.time("LastModified", o.modified)
	d.close("CopyObjectResult")
	x.document(&d)
	return nil
}

// copyOf returns the object that a copy makes, without references of its own.
func copyOf(x *exchange, b *bucket, src *source) (*object, error) {
	o, err := newObject(x, b)
	if err != nil {
		return nil, err
	}
	replaceMeta, err := directive(x, "X-Oss-Metadata-Directive")
	if err != nil {
		return nil, err
	}
	replaceTags, err := directive(x, "X-Oss-Tagging-Directive")
	if err != nil {
		return nil, err
	}
	if !replaceMeta {
		o.headers = src.object.headers
	}
	if !replaceTags {
		o.tags = src.object.tags
	}
	if src.bucket == b && src.key == x.key {
		// A copy onto itself that changes nothing but headers keeps the class.
		if x.header("X-Oss-Storage-Class") == "" {
			o.class = src.object.class
		}
	}
	if o.sse == "" {
		o.sse, o.keyID, o.sealed = src.object.sse, src.object.keyID, src.object.sealed
	}
	// A copy in one request is a Normal object whatever the source is; its
	// ETag and sums are those of the same content.
	o.kind = normal
	o.size, o.etag, o.md5, o.crc, o.segs = src.object.size, src.object.etag, src.object.md5, src.object.crc, src.object.segs
	return o, nil
}

// directive reads COPY or REPLACE.
func directive(x *exchange, name string) (replace bool, err error) {
	switch v := x.header(name); strings.ToUpper(v) {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, invalidArgument("The directive must be COPY or REPLACE.", strings.ToLower(name), v, "0016-00000802")
	}
}

func (s *Server) uploadPartCopy(x *exchange, b *bucket) error {
	n, err := readPart(x)
	if err != nil {
		return err
	}
	u, err := b.upload(x.query.get("uploadId"), x.key, "0042-00000311")
	if err != nil {
		return err
	}
	src, err := s.readSource(x)
	if err != nil {
		return err
	}
	defer s.blobs.release(src.object.segs)
	start, length, err := readCopyRange(x, src.object.size)
	if err != nil {
		return err
	}
	c := newContent(s.blobs, src.object.segs, start, length)
	bd, err := s.store64(c, length, maxPut, false)
	c.Close()
	if err != nil {
		return err
	}
	p := newPart(n, bd, x.now.UnixNano())
	if err := b.addPart(u, p, "0042-00000311"); err != nil {
		s.blobs.release(bd.segs)
		return err
	}
	if src.bucket.versioned() {
		x.set("X-Oss-Copy-Source-Version-Id", src.object.versionID())
	}
	x.setEncryption(u.object)
	x.setCRC(p.crc)
	var d document
	d.start()
	d.open("CopyPartResult")
	d.text("ETag", quote(p.etag))
	x.set("Etag", quote(p.etag))
	d.time("LastModified", p.modified)
	d.close("CopyPartResult")
	x.document(&d)
	return nil
}

// readCopyRange reads x-oss-copy-source-range, "bytes=first-last". Without it,
// or with one that does not fit, the part is the whole source.
func readCopyRange(x *exchange, size int64) (start, length int64, err error) {
	v, ok := strings.CutPrefix(x.header("X-Oss-Copy-Source-Range"), "bytes=")
	first, last, cut := strings.Cut(v, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if last == "" && ok {
		end, err2 = size-1, nil
	}
	if !ok || !cut || err1 != nil || err2 != nil || start > end || start >= size || end >= size {
		start, end = 0, size-1
	}
	if length = end - start + 1; length > maxPut {
		return 0, 0, entityTooLarge(length, maxPut)
	}
	return start, length, nil
}
