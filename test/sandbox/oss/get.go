package oss

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// restoredFor is how long a restore lasts that does not say.
const restoredFor = 1

// getObject sends an object or a range of it.
func (s *Server) getObject(x *exchange, b *bucket) error { return s.send(x, b, true) }

// headObject sends the headers of an object.
func (s *Server) headObject(x *exchange, b *bucket) error { return s.send(x, b, false) }

func (s *Server) send(x *exchange, b *bucket, withBody bool) error {
	o, linked, err := b.resolve(x.key, x.query.get("versionId"))
	if err != nil {
		return err
	}
	defer b.blobs.release(o.segs)
	if err := s.checkRead(x, b, o); err != nil {
		return err
	}
	if err := checkConditions(x, o, "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"); err != nil {
		return err
	}
	if withBody && classes[o.class] && !s.readable(o, x.now) {
		return (&Error{Status: 403, Code: "InvalidObjectState",
			Message: "The operation is not valid for the object's state.", EC: "0016-00000701"}).with("ObjectName", x.key)
	}
	rg, err := readRange(x, o.size)
	if err != nil {
		return err
	}
	s.describe(x, b, o)
	if linked {
		x.set("X-Oss-Object-Type", symlink)
	}
	x.overrideHeaders()
	h := x.w.Header()
	h["Content-Length"] = []string{strconv.FormatInt(rg.length, 10)}
	x.status = http.StatusOK
	if rg.partial {
		x.status = http.StatusPartialContent
		x.set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", rg.start, rg.start+rg.length-1, o.size))
	}
	x.w.WriteHeader(x.status)
	if withBody && rg.length > 0 {
		s.stream(x, o, rg)
	}
	return nil
}

// stream sends content. What goes wrong now can only be told by cutting the
// connection, for the headers are out.
func (s *Server) stream(x *exchange, o *object, rg byteRange) {
	n := rg.length
	if x.fault != nil && x.fault.Reset == ResetResponse {
		n /= 2
		defer x.breakOff()
	}
	c := newContent(s.blobs, o.segs, rg.start, n)
	defer c.Close()
	n, err := io.Copy(x.limited(), c)
	if x.out += n; err != nil {
		x.lost = true
	}
}

// resolve finds an object to read, and follows a symlink. The caller must
// release its segments.
func (b *bucket) resolve(key, version string) (o *object, linked bool, err error) {
	o, err = b.find(key, version, true)
	if err != nil || o.kind != symlink {
		return o, false, err
	}
	link := o
	o, err = b.find(link.target, "", true)
	if err != nil {
		return nil, true, (&Error{Status: 404, Code: "SymlinkTargetNotExist",
			Message: "The symlink target object does not exist.", EC: "0026-00000401"}).with("SymlinkTarget", link.target)
	}
	if o.kind == symlink {
		return nil, true, &Error{Status: 409, Code: "InvalidTargetType",
			Message: "The target of a symlink must not be a symlink.", EC: "0026-00000402"}
	}
	return o, true, nil
}

// describe sets the headers that tell of an object.
func (s *Server) describe(x *exchange, b *bucket, o *object) {
	h := x.w.Header()
	for _, f := range o.headers {
		h[f.Name] = []string{f.Value}
	}
	x.set("Etag", quote(o.etag))
	x.set("Last-Modified", o.lastModified().Format(http.TimeFormat))
	x.set("Accept-Ranges", "bytes")
	x.set("X-Oss-Object-Type", o.kind)
	x.set("X-Oss-Storage-Class", o.class)
	x.setCRC(o.crc)
	if len(o.md5) > 0 {
		x.set("Content-Md5", base64.StdEncoding.EncodeToString(o.md5))
	}
	if o.kind == appendable {
		x.set("X-Oss-Next-Append-Position", strconv.FormatInt(o.size, 10))
	}
	if len(o.tags) > 0 {
		x.set("X-Oss-Tagging-Count", strconv.Itoa(len(o.tags)))
	}
	x.setEncryption(o)
	if o.restored != 0 {
		x.set("X-Oss-Restore", s.restoreState(o, x.now))
	}
	x.setVersion(b, o)
}

func (x *exchange) setEncryption(o *object) {
	if o.sse != "" {
		x.set("X-Oss-Server-Side-Encryption", o.sse)
	}
	if o.keyID != "" {
		x.set("X-Oss-Server-Side-Encryption-Key-Id", o.keyID)
	}
	if o.sealed != "" {
		x.set("X-Oss-Server-Side-Data-Encryption", o.sealed)
	}
}

// overrideHeaders sets the headers that the query asks for.
func (x *exchange) overrideHeaders() {
	for _, p := range x.query {
		name, ok := strings.CutPrefix(p.name, "response-")
		if name = http.CanonicalHeaderKey(name); ok && kept[name] {
			x.set(name, p.value)
		}
	}
}

// getObjectMeta sends the few headers that cost the service least.
func (s *Server) getObjectMeta(x *exchange, b *bucket) error {
	o, _, err := b.resolve(x.key, x.query.get("versionId"))
	if err != nil {
		return err
	}
	defer b.blobs.release(o.segs)
	if err := s.checkRead(x, b, o); err != nil {
		return err
	}
	x.set("Etag", quote(o.etag))
	x.set("Last-Modified", o.lastModified().Format(http.TimeFormat))
	x.setVersion(b, o)
	x.status = http.StatusOK
	if x.r.Method == http.MethodHead {
		x.set("Content-Length", strconv.FormatInt(o.size, 10))
		x.w.WriteHeader(http.StatusOK)
		return nil
	}
	x.done(http.StatusOK)
	return nil
}

// checkConditions checks the four conditions, under the names they have for
// what the request reads: of its own key or of a copy's source.
func checkConditions(x *exchange, o *object, match, noneMatch, modified, unmodified string) error {
	if v := x.header(match); v != "" && !matches(v, o.etag) {
		return preconditionFailed(match)
	}
	if v := x.header(unmodified); v != "" {
		if t, ok := parseTime(v); ok && o.lastModified().After(t) {
			return preconditionFailed(unmodified)
		}
	}
	if v := x.header(noneMatch); v != "" && matches(v, o.etag) {
		return notModified(o)
	}
	if v := x.header(modified); v != "" {
		if t, ok := parseTime(v); ok && !o.lastModified().After(t) {
			return notModified(o)
		}
	}
	return nil
}

func notModified(o *object) *Error {
	return (&Error{Status: http.StatusNotModified, Code: "NotModified", Message: "Not Modified"}).
		withHeader("Etag", quote(o.etag)).
		withHeader("Last-Modified", o.lastModified().Format(http.TimeFormat))
}

func matches(list, etag string) bool {
	for v := range strings.SplitSeq(list, ",") {
		if v = strings.Trim(strings.TrimSpace(v), `"`); v == "*" || strings.EqualFold(v, etag) {
			return true
		}
	}
	return false
}

// A byteRange is what of an object is sent.
type byteRange struct {
	start, length int64
	partial       bool
}

// readRange reads the Range header. What it does not understand, or what
// reaches beyond the object, means the whole object, unless the client asks for
// the standard behaviour.
func readRange(x *exchange, size int64) (byteRange, error) {
	whole := byteRange{0, size, false}
	v, ok := strings.CutPrefix(x.header("Range"), "bytes=")
	if !ok {
		return whole, nil
	}
	standard := strings.EqualFold(x.header("X-Oss-Range-Behavior"), "standard")
	first, last, ok := strings.Cut(v, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	switch {
	case !ok || strings.Contains(v, ","), first == "" && err2 != nil, first != "" && err1 != nil, last != "" && err2 != nil:
		return whole, nil
	case first == "": // the last bytes
		start, end = max(0, size-end), size-1
		if err2 == nil && strings.TrimLeft(last, "0") == "" {
			start = size // none: not satisfiable
		}
	case last == "":
		end = size - 1
	case end < start:
		return whole, nil
	case end >= size && !standard:
		return whole, nil
	}
	if start >= size {
		if standard {
			return whole, (&Error{Status: 416, Code: "InvalidRange", Message: "The requested range cannot be satisfied.",
				EC: "0027-00000001"}).with("RangeRequested", v).with("ActualObjectSize", strconv.FormatInt(size, 10)).
				withHeader("Content-Range", fmt.Sprintf("bytes */%d", size))
		}
		return whole, nil
	}
	end = min(end, size-1)
	return byteRange{start, end - start + 1, true}, nil
}

// readable reports whether an archived object has been restored.
func (s *Server) readable(o *object, now time.Time) bool {
	return o.restored != 0 && now.Sub(time.Unix(0, o.restored)) >= s.restoreTime && now.Before(s.restoreEnd(o))
}

func (s *Server) restoreEnd(o *object) time.Time {
	return time.Unix(0, o.restored).Add(s.restoreTime).AddDate(0, 0, o.days)
}

func (s *Server) restoreState(o *object, now time.Time) string {
	if now.Sub(time.Unix(0, o.restored)) < s.restoreTime {
		return `ongoing-request="true"`
	}
	return fmt.Sprintf(`ongoing-request="false", expiry-date="%s"`, s.restoreEnd(o).UTC().Format(http.TimeFormat))
}
