package oss

import (
	"crypto/md5"
	"net/http"
	"strings"
	"time"
)

func (s *Server) getObjectACL(x *exchange, b *bucket) error {
	o, err := b.find(x.key, x.query.get("versionId"), false)
	if err != nil {
		return err
	}
	acl := o.acl
	if acl == "" {
		acl = "default"
	}
	x.setVersion(b, o)
	writeACL(x, acl)
	return nil
}

func writeACL(x *exchange, acl string) {
	var d document
	d.start()
	d.open("AccessControlPolicy")
	d.owner()
	d.open("AccessControlList")
	d.text("Grant", acl)
	d.close("AccessControlList")
	d.close("AccessControlPolicy")
	x.document(&d)
}

func (s *Server) putObjectACL(x *exchange, b *bucket) error {
	v := x.header("X-Oss-Object-Acl")
	if !acls[v] {
		return invalidACL("x-oss-object-acl", v)
	}
	return s.updateObject(x, b, http.StatusOK, func(o *object) { o.acl = v })
}

// updateObject changes an attribute of an object and answers without a body.
func (s *Server) updateObject(x *exchange, b *bucket, status int, f func(*object)) error {
	o, err := b.update(x.key, x.query.get("versionId"), f)
	if err != nil {
		return err
	}
	x.setVersion(b, o)
	x.done(status)
	return nil
}

// tagging is the body of PutObjectTagging.
type tagging struct {
	Tags []tag `xml:"TagSet>Tag"`
}

func (s *Server) putObjectTagging(x *exchange, b *bucket) error {
	var t tagging
	if err := x.readXML(&t); err != nil {
		return err
	}
	if err := checkTags(t.Tags); err != nil {
		return err
	}
	return s.updateObject(x, b, http.StatusOK, func(o *object) { o.tags = t.Tags })
}

func (s *Server) deleteObjectTagging(x *exchange, b *bucket) error {
	return s.updateObject(x, b, http.StatusNoContent, func(o *object) { o.tags = nil })
}

func (s *Server) getObjectTagging(x *exchange, b *bucket) error {
	o, err := b.find(x.key, x.query.get("versionId"), false)
	if err != nil {
		return err
	}
	x.setVersion(b, o)
	var d document
	d.start()
	d.open("Tagging")
	d.open("TagSet")
	for _, t := range o.tags {
		d.open("Tag")
		d.text("Key", t.Key)
		d.text("Value", t.Value)
		d.close("Tag")
	}
	d.close("TagSet")
	d.close("Tagging")
	x.document(&d)
	return nil
}

// putSymlink makes a key that leads to another. The other need not exist.
func (s *Server) putSymlink(x *exchange, b *bucket) error {
	v := x.header("X-Oss-Symlink-Target")
	target, ok := unescape(v, false)
	if !ok || !validKey(target) {
		return invalidArgument("The symlink target is not valid.", "x-oss-symlink-target", v, "0026-00000403")
	}
	if err := checkOverwrite(x, b); err != nil {
		return err
	}
	o, err := newObject(x, b)
	if err != nil {
		return err
	}
	o.kind, o.target = symlink, target
	o.fill(&body{md5: md5.Sum([]byte(target))})
	o.md5 = nil // it is none of the content, which is empty
	if err := b.put(x.key, o, x.overwriteGuard()); err != nil {
		return err
	}
	x.set("Etag", quote(o.etag))
	x.setVersion(b, o)
	x.done(http.StatusOK)
	return nil
}

func (s *Server) getSymlink(x *exchange, b *bucket) error {
	o, err := b.find(x.key, x.query.get("versionId"), false)
	if err != nil {
		return err
	}
	if o.kind != symlink {
		return &Error{Status: 400, Code: "NotSymlink", Message: "The object is not a symlink.", EC: "0026-00000404"}
	}
	// Escaped, but for the slash: some clients undo it and some do not.
	x.set("X-Oss-Symlink-Target", string(appendEscaped(nil, o.target, true)))
	x.set("Etag", quote(o.etag))
	x.set("Last-Modified", o.lastModified().Format(http.TimeFormat))
	x.setVersion(b, o)
	for _, f := range o.headers {
		if strings.HasPrefix(f.Name, metaPrefix) {
			x.set(f.Name, f.Value)
		}
	}
	x.done(http.StatusOK)
	return nil
}

// restoreObject asks for an archived object to be made readable, which takes
// Options.RestoreTime.
func (s *Server) restoreObject(x *exchange, b *bucket) error {
	body, err := x.readDocument()
	if err != nil {
		return err
	}
	conf := struct {
		Days int `xml:"Days"`
	}{restoredFor}
	if len(body) > 0 {
		if err := decodeXML(body, &conf); err != nil {
			return err
		}
	}
	o, err := b.find(x.key, x.query.get("versionId"), false)
	switch {
	case err != nil:
		return err
	case !classes[o.class]:
		return (&Error{Status: 400, Code: "OperationNotSupported",
			Message: "The operation is not supported for this resource.", EC: "0016-00000702"}).with("Detail", "RestoreObject")
	case o.restored != 0 && x.now.Sub(time.Unix(0, o.restored)) < s.restoreTime:
		return &Error{Status: 409, Code: "RestoreAlreadyInProgress", Message: "The restore operation is in progress.", EC: "0016-00000703"}
	}
	status := http.StatusAccepted
	restored := x.now.UnixNano()
	if s.readable(o, x.now) {
		status, restored = http.StatusOK, o.restored
	}
	return s.updateObject(x, b, status, func(o *object) {
		o.restored, o.days = restored, max(conf.Days, restoredFor)
	})
}
