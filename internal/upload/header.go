package upload

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"
)

// Metadata that osssync gives to objects: the first two where Properties.Preserve
// asks for it, the last to what is in the trash.
const (
	metaMTime   = "osssync-mtime"   // modification time, ns since 1970
	metaMode    = "osssync-mode"    // permissions, octal
	metaDeleted = "osssync-deleted" // when, RFC 3339
)

// header returns what goes with the object of a file.
func (p *Properties) header(file string, in info) Header {
	h := Header{
		ContentType:  p.contentType(file),
		CacheControl: p.CacheControl,
		StorageClass: p.StorageClass,
		Encryption:   p.Encryption,
		ACL:          p.ACL,
		Metadata:     p.Metadata,
		Tags:         p.Tags,
	}
	if p.Preserve {
		meta := make(map[string]string, len(p.Metadata)+2)
		maps.Copy(meta, p.Metadata)
		meta[metaMTime] = strconv.FormatInt(in.MTime, 10)
		meta[metaMode] = octal(in.mode.Perm())
		h.Metadata = meta
	}
	return h
}

// digest returns a number, not 0, that is another one where what goes with the
// object of a file is configured otherwise.
func (p *Properties) digest(file string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", p.header(file, info{})) // maps in the order of their keys
	return h.Sum64() | 1
}

// octal returns permissions as chmod takes them, "0640".
func octal(perm fs.FileMode) string {
	return string([]byte{'0', '0' + byte(perm>>6&7), '0' + byte(perm>>3&7), '0' + byte(perm&7)})
}

func (p *Properties) contentType(file string) string {
	ext := strings.ToLower(path.Ext(file))
	if t, ok := p.ContentTypes[ext]; ok {
		return t
	}
	return ContentType(file)
}

// ContentType returns the content type of a name by its extension, from a table
// that is the same on every platform; "application/octet-stream" for one that is
// not in it.
func ContentType(name string) string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return "application/octet-stream"
}
