package oss

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
)

// newVersion returns a version id, which sorts by the time it was made at.
func newVersion(now int64) string { return fmt.Sprintf("CAEQ%016x%s", now, rand.Text()[:8]) }

func (s *Server) getBucketVersioning(x *exchange, b *bucket) error {
	var d document
	d.start()
	d.open("VersioningConfiguration")
	if v := b.getInfo().Versioning; v != "" {
		d.text("Status", v)
	}
	d.close("VersioningConfiguration")
	x.document(&d)
	return nil
}

func (s *Server) putBucketVersioning(x *exchange, b *bucket) error {
	var conf struct {
		Status string `xml:"Status"`
	}
	if err := x.readXML(&conf); err != nil {
		return err
	}
	if conf.Status != "Enabled" && conf.Status != "Suspended" {
		return malformedXML("The Status must be Enabled or Suspended.")
	}
	b.change(func(i *bucketInfo) { i.Versioning = conf.Status })
	x.done(http.StatusOK)
	return nil
}

// version is one line of a list of versions.
type version struct {
	key    string
	common bool
	object *object
	latest bool
}

func (s *Server) listObjectVersions(x *exchange, b *bucket) error {
	l, err := readListing(x, "key-marker", "max-keys", 100)
	if err != nil {
		return err
	}
	idMarker := x.query.get("version-id-marker")
	if idMarker != "" && l.after == "" {
		return invalidArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", idMarker, "0017-00000605")
	}
	lines, truncated := b.listVersions(l, idMarker)
	var d document
	d.start()
	d.open("ListVersionsResult")
	d.text("Name", b.name)
	d.name("Prefix", l.prefix, l.encoded)
	d.name("KeyMarker", l.after, l.encoded)
	d.text("VersionIdMarker", idMarker)
	d.int("MaxKeys", int64(l.max))
	d.name("Delimiter", l.delimiter, l.encoded)
	if l.encoded {
		d.text("EncodingType", "url")
	}
	d.bool("IsTruncated", truncated)
	if truncated {
		last := lines[len(lines)-1]
		d.name("NextKeyMarker", last.key, l.encoded)
		if !last.common {
			d.text("NextVersionIdMarker", last.object.versionID())
		}
	}
	for _, v := range lines {
		d.version(&v, l.encoded)
	}
	d.close("ListVersionsResult")
	x.document(&d)
	return nil
}

func (d *document) version(v *version, encoded bool) {
	if v.common {
		d.open("CommonPrefixes")
		d.name("Prefix", v.key, encoded)
		d.close("CommonPrefixes")
		return
	}
	element := "Version"
	if v.object.marker {
		element = "DeleteMarker"
	}
	d.open(element)
	d.name("Key", v.key, encoded)
	d.text("VersionId", v.object.versionID())
	d.bool("IsLatest", v.latest)
	d.time("LastModified", v.object.modified)
	if !v.object.marker {
		d.text("ETag", quote(v.object.etag))
		d.text("Type", v.object.kind)
		d.int("Size", v.object.size)
		d.text("StorageClass", v.object.class)
	}
	d.owner()
	d.close(element)
}

// listVersions is list for all versions, of each key the newest first. With an
// id marker it begins within the key of the marker, after that version.
func (b *bucket) listVersions(l listing, idMarker string) (lines []version, truncated bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	from := max(l.prefix, l.after)
	c := b.keys.seek(from)
	for {
		key, ok := c.next()
		if !ok || !strings.HasPrefix(key, l.prefix) {
			return lines, false
		}
		if key == l.after && idMarker == "" {
			continue
		}
		if common, ok := l.common(key); ok {
			c = b.keys.after(common)
			if common == l.after {
				continue
			}
			if len(lines) == l.max {
				return lines, true
			}
			lines = append(lines, version{key: common, common: true})
			continue
		}
		all := b.objects[key]
		newest := len(all) - 1
		if key == l.after {
			if i := indexVersion(all, idMarker); i >= 0 {
				all = all[:i]
			}
		}
		for i := len(all) - 1; i >= 0; i-- {
			if len(lines) == l.max {
				return lines, true
			}
			lines = append(lines, version{key: key, object: all[i], latest: i == newest})
		}
	}
}
