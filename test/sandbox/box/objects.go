package box

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// An Object is one of the bucket.
type Object struct {
	Size  int64  `json:"size"`         // bytes
	CRC64 uint64 `json:"crc64,string"` // decimal in JSON, as OSS writes it
	ETag  string `json:"etag"`         // without quotes
}

// pageSize is how many objects are asked for at a time.
const pageSize = "200"

// IsLease reports whether a key is that of a lease, which no file has.
func IsLease(key string) bool { return strings.HasSuffix(key, ".osssync/lease") }

// Objects returns what is in the bucket, by key, but for the leases by which
// agents notice each other. It asks aside: the server's log does not show it, and
// no fault happens to it.
func (b *Box) Objects() (map[string]Object, error) {
	objects := map[string]Object{}
	for marker, more := "", true; more; {
		var page struct {
			IsTruncated bool
			NextMarker  string
			Contents    []struct {
				Key, ETag string
				Size      int64
			}
		}
		q := url.Values{"encoding-type": {"url"}, "max-keys": {pageSize}, "marker": {marker}}
		w := b.ask(http.MethodGet, "", q)
		if err := xml.Unmarshal(w.Body.Bytes(), &page); w.Code != http.StatusOK || err != nil {
			return nil, fmt.Errorf("list %s: status %d, %w", b.Bucket, w.Code, err)
		}
		for _, c := range page.Contents {
			key, err := url.PathUnescape(c.Key)
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", b.Bucket, err)
			}
			if IsLease(key) {
				continue
			}
			o, there, err := b.complete(key, Object{Size: c.Size, ETag: strings.Trim(c.ETag, `"`)})
			if err != nil {
				return nil, err
			}
			if there {
				objects[key] = o
			}
		}
		var err error
		if marker, err = url.PathUnescape(page.NextMarker); err != nil {
			return nil, fmt.Errorf("list %s: %w", b.Bucket, err)
		}
		more = page.IsTruncated
	}
	return objects, nil
}

// Remove deletes an object as somebody else would. It asks aside, as Objects does.
func (b *Box) Remove(key string) error {
	if w := b.ask(http.MethodDelete, key, url.Values{}); w.Code != http.StatusNoContent {
		return fmt.Errorf("delete %s: status %d", key, w.Code)
	}
	return nil
}
