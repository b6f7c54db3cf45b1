package oss

import (
	"cmp"
	"slices"
	"strings"
)

func (s *Server) listMultipartUploads(x *exchange, b *bucket) error {
	l, err := readListing(x, "key-marker", "max-uploads", 1000)
	if err != nil {
		return err
	}
	idMarker := x.query.get("upload-id-marker")
	if l.after == "" {
		idMarker = "" // it means nothing alone
	}
	lines, truncated := b.listUploads(l, idMarker)
	var d document
	d.start()
	d.open("ListMultipartUploadsResult")
	if l.encoded {
		d.text("EncodingType", "url")
	}
	d.text("Bucket", b.name)
	d.name("KeyMarker", l.after, l.encoded)
	d.text("UploadIdMarker", idMarker)
	d.name("Prefix", l.prefix, l.encoded)
	d.name("Delimiter", l.delimiter, l.encoded)
	d.int("MaxUploads", int64(l.max))
	d.bool("IsTruncated", truncated)
	next, nextID := "", ""
	if truncated {
		last := lines[len(lines)-1]
		next = last.key
		if last.upload != nil {
			nextID = last.upload.id
		}
	}
	d.name("NextKeyMarker", next, l.encoded)
	d.text("NextUploadIdMarker", nextID)
	for _, u := range lines {
		if u.upload == nil {
			d.open("CommonPrefixes")
			d.name("Prefix", u.key, l.encoded)
			d.close("CommonPrefixes")
			continue
		}
		d.open("Upload")
		d.name("Key", u.key, l.encoded)
		d.text("UploadId", u.upload.id)
		d.text("StorageClass", u.upload.object.class)
		d.time("Initiated", u.upload.started)
		d.close("Upload")
	}
	d.close("ListMultipartUploadsResult")
	x.document(&d)
	return nil
}

// uploadLine is one line of a list of uploads. A common prefix has no upload.
type uploadLine struct {
	key    string
	upload *upload
}

// listUploads lists the uploads by key, and for one key by id.
func (b *bucket) listUploads(l listing, idMarker string) (lines []uploadLine, truncated bool) {
	b.mu.RLock()
	all := make([]*upload, 0, len(b.uploads))
	for _, u := range b.uploads {
		if strings.HasPrefix(u.key, l.prefix) && (u.key > l.after || u.key == l.after && idMarker != "" && u.id > idMarker) {
			all = append(all, u)
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(all, func(a, b *upload) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id))
	})
	for _, u := range all {
		line := uploadLine{u.key, u}
		if common, ok := l.common(u.key); ok {
			if common == l.after || len(lines) > 0 && lines[len(lines)-1].key == common {
				continue
			}
			line = uploadLine{key: common}
		}
		if len(lines) == l.max {
			return lines, true
		}
		lines = append(lines, line)
	}
	return lines, false
}
