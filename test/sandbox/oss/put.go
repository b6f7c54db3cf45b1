package oss

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// putObject stores the body under the key.
func (s *Server) putObject(x *exchange, b *bucket) error {
	if err := refuseConditions(x); err != nil {
		return err
	}
	o, err := newObject(x, b)
	if err != nil {
		return err
	}
	if err := checkOverwrite(x, b); err != nil {
		return err
	}
	bd, err := s.receive(x)
	if err != nil {
		return err
	}
	o.kind = normal
	o.fill(bd)
	if err := b.put(x.key, o, x.overwriteGuard()); err != nil {
		s.blobs.release(bd.segs)
		return err
	}
	x.setVersion(b, o)
	h := x.w.Header()
	h["Etag"] = []string{quote(o.etag)}
	h["Content-Md5"] = []string{base64.StdEncoding.EncodeToString(bd.md5[:])}
	x.setCRC(bd.crc)
	if x.callback() != "" {
		return callbackFailed()
	}
	x.done(http.StatusOK)
	return nil
}

// fill makes the body the object's content. The object takes over the body's
// references.
func (o *object) fill(bd *body) {
	o.segs, o.size, o.crc, o.md5 = bd.segs, bd.size, bd.crc, bd.md5[:]
	o.etag = strings.ToUpper(hex.EncodeToString(bd.md5[:]))
}

func quote(etag string) string { return `"` + etag + `"` }

// setCRC tells the client the CRC-64 of what is stored, or of what is read.
func (x *exchange) setCRC(crc uint64) {
	if x.fault != nil {
		switch x.fault.CRC {
		case CRCMissing:
			return
		case CRCWrong:
			crc ^= 1
		}
	}
	x.w.Header()["X-Oss-Hash-Crc64ecma"] = []string{strconv.FormatUint(crc, 10)}
}

// refuseConditions refuses what a put does not support rather than ignore it.
func refuseConditions(x *exchange) error {
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		if x.header(name) != "" {
			return notImplemented("A header you provided implies functionality that is not implemented.").with("Header", name)
		}
	}
	return checkCallback(x)
}

// forbidden reports whether an object that exists must not be replaced.
func (x *exchange) forbidden() bool {
	return strings.EqualFold(x.header("X-Oss-Forbid-Overwrite"), "true")
}

// checkOverwrite refuses early what overwriteGuard would refuse in the end. The
// header means nothing in a versioned bucket, where nothing is overwritten.
func checkOverwrite(x *exchange, b *bucket) error {
	if !x.forbidden() || b.versioned() {
		return nil
	}
	if o, _ := b.find(x.key, "", false); o != nil {
		return fileAlreadyExists(x.key)
	}
	return nil
}

// overwriteGuard returns what bucket.put is to ask before it replaces an
// object, nil for nothing.
func (x *exchange) overwriteGuard() func(*object) error {
	if !x.forbidden() {
		return nil
	}
	return func(old *object) error {
		if old != nil && old.version == "" {
			return fileAlreadyExists(x.key)
		}
		return nil
	}
}

// newObject makes an object of what the headers of a request say.
func newObject(x *exchange, b *bucket) (*object, error) {
	o := &object{modified: x.now.UnixNano(), class: b.getInfo().Class}
	if err := o.setHeaders(x); err != nil {
		return nil, err
	}
	if err := o.setProperties(x); err != nil {
		return nil, err
	}
	if v := x.header("X-Oss-Tagging"); v != "" {
		tags, err := parseTags(v)
		if err != nil {
			return nil, err
		}
		o.tags = tags
	}
	return o, nil
}

// parseTags reads "a=b&c=d".
func parseTags(v string) ([]tag, error) {
	q, ok := parseQuery(v)
	if !ok {
		return nil, invalidTag("The header 'x-oss-tagging' is invalid.")
	}
	var tags []tag
	for _, p := range q {
		tags = append(tags, tag{p.name, p.value})
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	return tags, nil
}

// kept are the standard headers that are kept with an object.
var kept = map[string]bool{
	"Cache-Control": true, "Content-Disposition": true, "Content-Encoding": true, "Content-Language": true,
	"Content-Type": true, "Expires": true,
}

const metaPrefix = "X-Oss-Meta-"

// setHeaders keeps the headers of the request that belong to the object.
func (o *object) setHeaders(x *exchange) error {
	meta := 0
	typed := false
	o.headers = make([]field, 0, 2)
	for name, v := range x.r.Header {
		switch {
		case strings.HasPrefix(name, metaPrefix):
			meta += len(name) - len(metaPrefix) + len(v[0])
		case !kept[name]:
			continue
		case name == "Content-Type":
			typed = true
		}
		o.headers = append(o.headers, field{name, v[0]})
	}
	if meta > maxMeta {
		return invalidArgument("The user metadata exceeds 8 KB.", "x-oss-meta-*", strconv.Itoa(meta), "0017-00000501")
	}
	if !typed {
		o.headers = append(o.headers, field{"Content-Type", "application/octet-stream"})
	}
	return nil
}

// classes are the storage classes, each with whether it must be restored before
// it is read.
var classes = map[string]bool{
	"Standard": false, "IA": false, "Archive": true, "ColdArchive": true, "DeepColdArchive": true,
}

// acls are the access control lists that objects may have.
var acls = tableOf("default", "private", "public-read", "public-read-write")

// setProperties takes over class, ACL and encryption where the request has
// them.
func (o *object) setProperties(x *exchange) error {
	if v := x.header("X-Oss-Storage-Class"); v != "" {
		if _, ok := classes[v]; !ok {
			return invalidArgument("The storage class you specified is not valid.", "x-oss-storage-class", v, "0016-00000511")
		}
		o.class = v
	}
	if v := x.header("X-Oss-Object-Acl"); v != "" {
		if !acls[v] {
			return invalidACL("x-oss-object-acl", v)
		}
		o.acl = v
	}
	if v := x.header("X-Oss-Server-Side-Encryption"); v != "" {
		if v != "AES256" && v != "KMS" && v != "SM4" {
			return &Error{Status: 400, Code: "InvalidEncryptionAlgorithmError",
				Message: "The Encryption request you specified is not valid. Supported value: AES256/KMS/SM4.", EC: "0016-00000601"}
		}
		o.sse = v
		o.keyID = x.header("X-Oss-Server-Side-Encryption-Key-Id")
		o.sealed = x.header("X-Oss-Server-Side-Data-Encryption")
	}
	return nil
}

func invalidACL(name, value string) *Error {
	return invalidArgument("no such bucket access control exists", name, value, "0016-00000521")
}
