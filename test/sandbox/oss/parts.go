package oss

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// readPart reads which part a request is about.
func readPart(x *exchange) (int, error) {
	v := x.query.get("partNumber")
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxParts {
		return 0, invalidArgument("Part number must be an integer between 1 and 10000, inclusive.", "partNumber", v, "0017-00000220")
	}
	if x.query.get("uploadId") == "" {
		return 0, invalidArgument("This operation requires an uploadId.", "uploadId", "", "0017-00000221")
	}
	return n, nil
}

func (s *Server) uploadPart(x *exchange, b *bucket) error {
	n, err := readPart(x)
	if err != nil {
		return err
	}
	u, err := b.upload(x.query.get("uploadId"), x.key, "0042-00000104")
	if err != nil {
		return err
	}
	bd, err := s.receive(x)
	if err != nil {
		return err
	}
	p := newPart(n, bd, x.now.UnixNano())
	if err := b.addPart(u, p, "0042-00000104"); err != nil {
		s.blobs.release(bd.segs)
		return err
	}
	x.set("Etag", quote(p.etag))
	x.set("Content-Md5", base64.StdEncoding.EncodeToString(bd.md5[:]))
	x.setCRC(p.crc)
	x.setEncryption(u.object)
	x.done(http.StatusOK)
	return nil
}

// newPart makes a part that takes over the body's references.
func newPart(n int, bd *body, now int64) *part {
	return &part{n, bd.size, strings.ToUpper(hex.EncodeToString(bd.md5[:])), bd.crc, now, bd.segs}
}

// addPart adds a part to an upload, unless that has ended meanwhile.
func (b *bucket) addPart(u *upload, p *part, ec string) error {
	b.mu.Lock()
	if b.uploads[u.id] != u {
		b.mu.Unlock()
		return noSuchUpload(u.id, ec)
	}
	old := u.parts[p.number]
	u.parts[p.number] = p
	b.store.set(partKey(b.name, u.id, p.number), p)
	b.mu.Unlock()
	if old != nil {
		b.blobs.release(old.segs)
	}
	return nil
}

func (s *Server) listParts(x *exchange, b *bucket) error {
	l, err := readListing(x, "part-number-marker", "max-parts", 1000)
	if err != nil {
		return err
	}
	after := 0
	if l.after != "" {
		if after, err = strconv.Atoi(l.after); err != nil || after < 0 {
			return invalidArgument("Argument part-number-marker must be an integer.", "part-number-marker", l.after, "0017-00000222")
		}
	}
	u, err := b.upload(x.query.get("uploadId"), x.key, "0042-00000002")
	if err != nil {
		return err
	}
	parts := b.sortedParts(u, after)
	truncated := len(parts) > l.max
	parts = parts[:min(len(parts), l.max)]
	next := after
	if len(parts) > 0 {
		next = parts[len(parts)-1].number
	}
	var d document
	d.start()
	d.open("ListPartsResult")
	if l.encoded {
		d.text("EncodingType", "url")
	}
	d.text("Bucket", b.name)
	d.name("Key", u.key, l.encoded)
	d.text("UploadId", u.id)
	d.text("StorageClass", u.object.class)
	d.int("PartNumberMarker", int64(after))
	d.int("NextPartNumberMarker", int64(next))
	d.int("MaxParts", int64(l.max))
	d.bool("IsTruncated", truncated)
	for _, p := range parts {
		d.open("Part")
		d.int("PartNumber", int64(p.number))
		d.time("LastModified", p.modified)
		d.text("ETag", quote(p.etag))
		d.text("HashCrc64ecma", strconv.FormatUint(p.crc, 10))
		d.int("Size", p.size)
		d.close("Part")
	}
	d.close("ListPartsResult")
	x.document(&d)
	return nil
}

// sortedParts returns the parts above a number.
func (b *bucket) sortedParts(u *upload, after int) []*part {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var parts []*part
	for n, p := range u.parts {
		if n > after {
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b *part) int { return cmp.Compare(a.number, b.number) })
	return parts
}
