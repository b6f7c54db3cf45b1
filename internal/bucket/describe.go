package bucket

import (
	"context"
	"net/http"
	"strconv"

	"github.com/osssync/osssync/internal/upload"
)

// A Description is what people want to know of an object.
type Description struct {
	upload.Stored
	ContentType  string
	CacheControl string
	StorageClass string
	Encryption   string // with the key's id behind a colon, as the configuration has it
	Type         string // "Normal", "Multipart", "Appendable", "Symlink"
	Tags         int    // how many
}

// Describe asks for an object's properties, all of them.
func (b *Bucket) Describe(ctx context.Context, key string) (Description, error) {
	c := &call{op: "head", method: http.MethodHead, key: key}
	r, err := b.do(ctx, c)
	if err != nil {
		return Description{}, err
	}
	d := Description{
		ContentType:  r.header.Get("Content-Type"),
		CacheControl: r.header.Get("Cache-Control"),
		StorageClass: r.header.Get("x-oss-storage-class"),
		Encryption:   r.header.Get("x-oss-server-side-encryption"),
		Type:         r.header.Get("x-oss-object-type"),
	}
	if id := r.header.Get("x-oss-server-side-encryption-key-id"); id != "" {
		d.Encryption += ":" + id
	}
	if n, err := strconv.Atoi(r.header.Get("x-oss-tagging-count")); err == nil {
		d.Tags = n
	}
	d.Stored, err = c.described(r)
	return d, err
}
