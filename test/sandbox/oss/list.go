package oss

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// A listing is what a client asks for of a list.
type listing struct {
	prefix, delimiter string
	after             string // exclusive
	max               int
	encoded           bool
}

// entry is one line of a list: a key, or a common prefix.
type entry struct {
	key    string
	common bool
	object *object
}

// readListing reads the parameters that lists share. The names of the marker
// and of the maximum differ.
func readListing(x *exchange, marker, maxName string, standard int) (listing, error) {
	l := listing{
		prefix:    x.query.get("prefix"),
		delimiter: x.query.get("delimiter"),
		after:     x.query.get(marker),
		max:       standard,
	}
	if len(l.prefix) > maxKey {
		return l, invalidArgument("The length of prefix must not exceed 1023.", "prefix", l.prefix, "0017-00000601")
	}
	if v := x.query.get(maxName); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxList {
			return l, invalidArgument("Argument "+maxName+" must be an integer between 1 and 1000.", maxName, v, "0017-00000602")
		}
		l.max = n
	}
	switch v := x.query.get("encoding-type"); v {
	case "":
	case "url":
		l.encoded = true
	default:
		return l, invalidArgument("Invalid Encoding Method specified in Request.", "encoding-type", v, "0017-00000603")
	}
	return l, nil
}

// list walks over the keys of a bucket in the order of their bytes. It is
// truncated if there is more than l.max.
func (b *bucket) list(l listing) (entries []entry, truncated bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	from := l.prefix
	if l.after >= from {
		from = l.after + "\x00" // the next key there can be
	}
	c := b.keys.seek(from)
	for {
		key, ok := c.next()
		if !ok || !strings.HasPrefix(key, l.prefix) {
			return entries, false
		}
		o := b.latest(key)
		if o == nil {
			continue
		}
		e := entry{key: key, object: o}
		if common, ok := l.common(key); ok {
			e = entry{key: common, common: true}
			c = b.keys.after(common)
			if common == l.after { // the last page ended with it
				continue
			}
		}
		if len(entries) == l.max {
			return entries, true
		}
		entries = append(entries, e)
	}
}

// common returns the common prefix that a key falls under, if any.
func (l *listing) common(key string) (string, bool) {
	if l.delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(l.prefix):], l.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(l.prefix)+i+len(l.delimiter)], true
}

func (s *Server) listObjects(x *exchange, b *bucket) error {
	l, err := readListing(x, "marker", "max-keys", 100)
	if err != nil {
		return err
	}
	entries, truncated := b.list(l)
	var d document
	d.start()
	d.open("ListBucketResult")
	d.text("Name", b.name)
	d.name("Prefix", l.prefix, l.encoded)
	d.name("Marker", l.after, l.encoded)
	d.int("MaxKeys", int64(l.max))
	d.name("Delimiter", l.delimiter, l.encoded)
	if l.encoded {
		d.text("EncodingType", "url")
	}
	d.bool("IsTruncated", truncated)
	if truncated {
		d.name("NextMarker", entries[len(entries)-1].key, l.encoded)
	}
	s.contents(&d, x, entries, l.encoded, true)
	d.close("ListBucketResult")
	x.document(&d)
	return nil
}

// continuation is the alphabet of continuation tokens: neither '+' nor '%' nor
// anything else that a client may escape or unescape once too often.
var continuation = base64.RawURLEncoding

func (s *Server) listObjectsV2(x *exchange, b *bucket) error {
	l, err := readListing(x, "start-after", "max-keys", 100)
	if err != nil {
		return err
	}
	startAfter, token := l.after, x.query.get("continuation-token")
	if token != "" {
		after, err := continuation.DecodeString(token)
		if err != nil {
			return invalidArgument("The continuation token provided is incorrect.", "continuation-token", token, "0017-00000604")
		}
		l.after = string(after)
	}
	entries, truncated := b.list(l)
	var d document
	d.start()
	d.open("ListBucketResult")
	d.text("Name", b.name)
	d.name("Prefix", l.prefix, l.encoded)
	d.name("StartAfter", startAfter, l.encoded)
	if token != "" {
		d.text("ContinuationToken", token)
	}
	d.int("MaxKeys", int64(l.max))
	d.name("Delimiter", l.delimiter, l.encoded)
	if l.encoded {
		d.text("EncodingType", "url")
	}
	d.bool("IsTruncated", truncated)
	if truncated {
		d.text("NextContinuationToken", continuation.EncodeToString([]byte(entries[len(entries)-1].key)))
	}
	s.contents(&d, x, entries, l.encoded, x.query.get("fetch-owner") == "true")
	d.int("KeyCount", int64(len(entries)))
	d.close("ListBucketResult")
	x.document(&d)
	return nil
}

// contents writes the lines of a list: the objects, then the common prefixes.
func (s *Server) contents(d *document, x *exchange, entries []entry, encoded, owner bool) {
	for _, e := range entries {
		if e.common {
			continue
		}
		d.open("Contents")
		d.name("Key", e.key, encoded)
		d.time("LastModified", e.object.modified)
		d.text("ETag", quote(e.object.etag))
		d.text("Type", e.object.kind)
		d.int("Size", e.object.size)
		d.text("StorageClass", e.object.class)
		if e.object.restored != 0 {
			d.text("RestoreInfo", s.restoreState(e.object, x.now))
		}
		if owner {
			d.owner()
		}
		d.close("Contents")
	}
	for _, e := range entries {
		if e.common {
			d.open("CommonPrefixes")
			d.name("Prefix", e.key, encoded)
			d.close("CommonPrefixes")
		}
	}
}
