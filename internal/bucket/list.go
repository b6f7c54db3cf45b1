package bucket

import (
	"cmp"
	"context"
	"encoding/xml"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// ListOptions say what of a bucket to list.
type ListOptions struct {
	Prefix     string // keys that begin with it
	Delimiter  string // keys that go on behind it after the prefix are shown as one; "" shows all
	StartAfter string // keys after it, in byte order
	Limit      int    // items at most; 0 means all
}

// An Item is an object, or a common prefix of several.
type Item struct {
	Key    string // "" for a prefix
	Prefix string // "" for an object

	Size         int64 // bytes
	Modified     time.Time
	ETag         string // without quotes
	StorageClass string
	Type         string // "Normal", "Multipart", "Appendable", "Symlink"
}

func (i Item) name() string { return i.Key + i.Prefix }

const pageSize = 1000

// List yields objects and prefixes in the byte order of their names. It asks
// for them page by page, as they are needed, and ends with the first error.
func (b *Bucket) List(ctx context.Context, opt ListOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		left, token := opt.Limit, ""
		for {
			page, err := b.page(ctx, opt, left, token)
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range page.items {
				if !yield(item, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if token = page.next; token == "" {
				return
			}
		}
	}
}

// A page is one answer of a list.
type page struct {
	items []Item
	next  string // token of the next page, "" after the last
}

// listResult is the answer of ListObjectsV2; names are percent-encoded.
type listResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key          string
		LastModified time.Time
		ETag         string
		Type         string
		Size         int64
		StorageClass string
	}
	CommonPrefixes []struct{ Prefix string }
}

func (b *Bucket) page(ctx context.Context, opt ListOptions, left int, token string) (*page, error) {
	size := pageSize
	if left > 0 {
		size = min(size, left)
	}
	c := &call{op: "list", method: http.MethodGet, params: map[string]any{
		"list-type": "2", "encoding-type": "url", "max-keys": strconv.Itoa(size),
	}}
	for name, value := range map[string]string{
		"prefix": opt.Prefix, "delimiter": opt.Delimiter, "start-after": opt.StartAfter, "continuation-token": token,
	} {
		if value != "" {
			c.params[name] = value
		}
	}
	r, err := b.do(ctx, c)
	if err != nil {
		return nil, err
	}
	var result listResult
	if err := c.decode(r, &result); err != nil {
		return nil, err
	}
	p, err := result.page()
	if err != nil {
		return nil, c.broken(r, "an answer that cannot be read")
	}
	if result.IsTruncated && (p.next == "" || p.next == token) {
		return nil, c.broken(r, "a list that does not go on")
	}
	return p, nil
}

func (l *listResult) page() (*page, error) {
	p := &page{}
	for _, o := range l.Contents {
		key, err := url.QueryUnescape(o.Key)
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, Item{
			Key: key, Size: o.Size, Modified: o.LastModified, ETag: unquote(o.ETag), StorageClass: o.StorageClass, Type: o.Type,
		})
	}
	for _, o := range l.CommonPrefixes {
		prefix, err := url.QueryUnescape(o.Prefix)
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, Item{Prefix: prefix})
	}
	slices.SortFunc(p.items, func(a, b Item) int { return cmp.Compare(a.name(), b.name()) })
	if l.IsTruncated {
		next, err := url.QueryUnescape(l.NextContinuationToken)
		if err != nil {
			return nil, err
		}
		p.next = next
	}
	return p, nil
}

// Info describes a bucket.
type Info struct {
	Name         string
	Region       string
	StorageClass string
	Created      time.Time
}

// Buckets yields the account's buckets by name, and ends with the first error.
func (b *Bucket) Buckets(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for marker := ""; ; {
			c := &call{op: "list buckets", method: http.MethodGet, service: true, params: map[string]any{"max-keys": strconv.Itoa(pageSize)}}
			if marker != "" {
				c.params["marker"] = marker
			}
			var result struct {
				XMLName     xml.Name `xml:"ListAllMyBucketsResult"`
				IsTruncated bool
				NextMarker  string
				Buckets     []struct {
					Name         string
					Region       string
					StorageClass string
					CreationDate time.Time
				} `xml:"Buckets>Bucket"`
			}
			r, err := b.do(ctx, c)
			if err == nil {
				err = c.decode(r, &result)
			}
			if err == nil && result.IsTruncated && result.NextMarker <= marker {
				err = c.broken(r, "a list that does not go on")
			}
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, i := range result.Buckets {
				if !yield(Info{i.Name, i.Region, i.StorageClass, i.CreationDate}, nil) {
					return
				}
			}
			if !result.IsTruncated {
				return
			}
			marker = result.NextMarker
		}
	}
}
