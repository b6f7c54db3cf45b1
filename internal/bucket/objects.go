package bucket

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, key string, body []byte, h upload.Header) (upload.Stored, error) {
	return b.put(ctx, &call{op: "put", method: http.MethodPut, key: key, header: headers(h), body: nonNil(body)})
}

func (b *Bucket) put(ctx context.Context, c *call) (upload.Stored, error) {
	r, err := b.do(ctx, c)
	if err != nil {
		return upload.Stored{}, err
	}
	s, err := c.stored(r, true)
	s.Size = int64(len(c.body))
	return s, err
}

// nonNil keeps an empty body from being none.
func nonNil(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}

// headers are the request headers of an object's properties.
func headers(h upload.Header) fields {
	f := make(fields, 0, 8+len(h.Metadata))
	f.set("Content-Type", h.ContentType)
	f.set("Cache-Control", h.CacheControl)
	f.set("x-oss-storage-class", h.StorageClass)
	f.set("x-oss-object-acl", h.ACL)
	algorithm, id, _ := strings.Cut(h.Encryption, ":")
	f.set("x-oss-server-side-encryption", algorithm)
	f.set("x-oss-server-side-encryption-key-id", id)
	meta := len(f)
	for k, v := range h.Metadata {
		f = append(f, field{"x-oss-meta-" + k, v})
	}
	slices.SortFunc(f[meta:], func(a, b field) int { return cmp.Compare(a.name, b.name) })
	f.set("x-oss-tagging", tagging(h.Tags))
	return f
}

func tagging(tags map[string]string) string {
	if len(tags) == 0 {
		return ""
	}
	q := make(url.Values, len(tags))
	for k, v := range tags {
		q.Set(k, v)
	}
	return q.Encode()
}

// Head asks for an object's properties.
func (b *Bucket) Head(ctx context.Context, key string) (upload.Stored, error) {
	c := &call{op: "head", method: http.MethodHead, key: key}
	r, err := b.do(ctx, c)
	if err != nil {
		return upload.Stored{}, err
	}
	return c.described(r)
}

// described reads all that a reply says of an object.
func (c *call) described(r *reply) (upload.Stored, error) {
	s, err := c.stored(r, false)
	if err != nil {
		return s, err
	}
	if s.Size, err = strconv.ParseInt(r.header.Get("Content-Length"), 10, 64); err != nil {
		return s, c.broken(r, "success without a length")
	}
	if s.Modified, err = http.ParseTime(r.header.Get("Last-Modified")); err != nil {
		s.Modified = time.Time{}
	}
	for k, v := range r.header {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "x-oss-meta-"); ok {
			if s.Metadata == nil {
				s.Metadata = make(map[string]string)
			}
			s.Metadata[name] = v[0]
		}
	}
	return s, nil
}

// Get reads an object. The reader fails at its end if the bytes do not have
// the CRC-64 that the service told; it must be closed.
func (b *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, upload.Stored, error) {
	c := &call{op: "get", method: http.MethodGet, key: key}
	resp, err := b.open(ctx, c)
	if err != nil {
		return nil, upload.Stored{}, err
	}
	r := &reply{header: resp.Headers}
	s, err := c.described(r)
	if err == nil && r.header.Get("x-oss-hash-crc64ecma") == "" {
		err = c.broken(r, "success without a CRC-64")
	}
	if err != nil {
		resp.Body.Close()
		return nil, s, err
	}
	return &download{
		ReadCloser: resp.Body, ctx: ctx, call: c, stored: s,
		sum: crc64.New(crc64.MakeTable(crc64.ECMA)),
	}, s, nil
}

// A download is an object that is being read.
type download struct {
	io.ReadCloser
	ctx    context.Context
	call   *call
	stored upload.Stored
	sum    hash.Hash64
	n      int64
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	d.sum.Write(p[:n])
	d.n += int64(n)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF) && d.ctx.Err() != nil:
		return n, d.call.cancelled(d.ctx)
	case !errors.Is(err, io.EOF):
	case d.n != d.stored.Size || d.sum.Sum64() != d.stored.CRC64:
		err = upload.ErrMismatch
	default:
		return n, io.EOF
	}
	return n, &upload.RequestError{Op: "get", Key: d.call.key, Class: upload.Transient, Status: http.StatusOK, RequestID: d.stored.RequestID, Err: err}
}

// Copy copies an object within the bucket.
func (b *Bucket) Copy(ctx context.Context, from, to, etag string, h upload.Header) (upload.Stored, error) {
	c := &call{op: "copy", method: http.MethodPut, key: to, header: headers(h)}
	c.header.set("x-oss-metadata-directive", "REPLACE")
	c.header.set("x-oss-tagging-directive", "Replace")
	b.source(c, from, etag)
	r, err := b.do(ctx, c)
	if err != nil {
		return upload.Stored{}, err
	}
	var result struct {
		XMLName xml.Name `xml:"CopyObjectResult"`
		ETag    string
	}
	if err := c.decode(r, &result); err != nil {
		return upload.Stored{}, err
	}
	s, err := c.stored(r, false)
	s.ETag = unquote(result.ETag)
	return s, err
}

// source names the object that a call copies, as it must be for that.
func (b *Bucket) source(c *call, key, etag string) {
	c.header.set("x-oss-copy-source", "/"+b.opt.Name+"/"+escape(key))
	c.header.set("x-oss-copy-source-if-match", `"`+etag+`"`)
}

// escape percent-encodes a key so that every way to decode it gives the same.
func escape(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "+", "%20")
}

// Delete deletes up to 1,000 objects.
func (b *Bucket) Delete(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	body := deleteXML(keys)
	sum := md5.Sum(body)
	c := &call{
		op: "delete", method: http.MethodPost, body: body,
		params: map[string]any{"delete": nil, "encoding-type": "url"},
		header: fields{
			{"Content-Type", "application/xml"},
			{"Content-MD5", base64.StdEncoding.EncodeToString(sum[:])},
		},
	}
	r, err := b.do(ctx, c)
	if err != nil {
		return err
	}
	var result struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Deleted []struct{ Key string }
	}
	if err := c.decode(r, &result); err != nil {
		return err
	}
	gone := make([]string, 0, len(result.Deleted))
	for _, d := range result.Deleted {
		key, err := url.QueryUnescape(d.Key)
		if err != nil {
			return c.broken(r, "an answer that cannot be read")
		}
		gone = append(gone, key)
	}
	slices.Sort(gone)
	for _, key := range keys {
		if _, ok := slices.BinarySearch(gone, key); !ok {
			return &upload.RequestError{Op: "delete", Key: key, Class: upload.Transient, Status: http.StatusOK,
				RequestID: requestID(r.header), Err: fmt.Errorf("one of %d objects was not deleted", len(keys))}
		}
	}
	return nil
}

// deleteXML is the body of a request to delete several objects. Characters that
// XML cannot hold are written as references, which the service accepts.
func deleteXML(keys []string) []byte {
	var s strings.Builder
	s.WriteString("<Delete><Quiet>false</Quiet>")
	for _, key := range keys {
		s.WriteString("<Object><Key>")
		for _, r := range key {
			switch {
			case r == '<' || r == '>' || r == '&' || r == '"' || r == '\'' || r < 0x20:
				fmt.Fprintf(&s, "&#%d;", r)
			default:
				s.WriteRune(r)
			}
		}
		s.WriteString("</Key></Object>")
	}
	s.WriteString("</Delete>")
	return []byte(s.String())
}
