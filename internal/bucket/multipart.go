package bucket

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

// Create begins a multipart upload.
func (b *Bucket) Create(ctx context.Context, key string, h upload.Header) (string, error) {
	c := &call{op: "create upload", method: http.MethodPost, key: key, header: headers(h), params: map[string]any{"uploads": nil, "encoding-type": "url"}}
	r, err := b.do(ctx, c)
	if err != nil {
		return "", err
	}
	var result struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadID string   `xml:"UploadId"`
	}
	if err := c.decode(r, &result); err != nil {
		return "", err
	}
	if result.UploadID == "" {
		return "", c.broken(r, "success without an upload id")
	}
	return result.UploadID, nil
}

func partParams(number int, uploadID string) map[string]any {
	return map[string]any{"partNumber": strconv.Itoa(number), "uploadId": uploadID}
}

// Part stores a part.
func (b *Bucket) Part(ctx context.Context, key, uploadID string, number int, body []byte) (upload.Part, error) {
	c := &call{op: "part", method: http.MethodPut, key: key, params: partParams(number, uploadID), body: nonNil(body)}
	r, err := b.do(ctx, c)
	if err != nil {
		return upload.Part{}, err
	}
	s, err := c.stored(r, true)
	if err == nil && s.ETag == "" {
		err = c.broken(r, "success without an ETag")
	}
	return upload.Part{Number: number, Size: int64(len(body)), CRC64: s.CRC64, ETag: s.ETag}, err
}

// CopyPart makes a part from bytes of an object of the same bucket. Its CRC-64
// is not known.
func (b *Bucket) CopyPart(ctx context.Context, key, uploadID string, number int, from string, offset, size int64, etag string) (upload.Part, error) {
	c := &call{op: "copy part", method: http.MethodPut, key: key, params: partParams(number, uploadID), header: fields{
		{"x-oss-copy-source-range", fmt.Sprintf("bytes=%d-%d", offset, offset+size-1)},
	}}
	b.source(c, from, etag)
	r, err := b.do(ctx, c)
	if err != nil {
		return upload.Part{}, err
	}
	var result struct {
		XMLName xml.Name `xml:"CopyPartResult"`
		ETag    string
	}
	if err := c.decode(r, &result); err != nil {
		return upload.Part{}, err
	}
	s, err := c.stored(r, false)
	if err == nil && result.ETag == "" {
		err = c.broken(r, "success without an ETag")
	}
	return upload.Part{Number: number, Size: size, CRC64: s.CRC64, ETag: unquote(result.ETag)}, err
}

// Parts lists the parts of an upload.
func (b *Bucket) Parts(ctx context.Context, key, uploadID string) ([]upload.Part, error) {
	var parts []upload.Part
	for marker := 0; ; {
		c := &call{op: "list parts", method: http.MethodGet, key: key, params: map[string]any{
			"uploadId": uploadID, "max-parts": "1000", "part-number-marker": strconv.Itoa(marker), "encoding-type": "url",
		}}
		r, err := b.do(ctx, c)
		if err != nil {
			return nil, err
		}
		var page struct {
			XMLName              xml.Name `xml:"ListPartsResult"`
			IsTruncated          bool
			NextPartNumberMarker int
			Part                 []struct {
				PartNumber    int
				Size          int64
				ETag          string
				HashCrc64ecma uint64
			}
		}
		if err := c.decode(r, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Part {
			parts = append(parts, upload.Part{Number: p.PartNumber, Size: p.Size, CRC64: p.HashCrc64ecma, ETag: unquote(p.ETag)})
		}
		if !page.IsTruncated {
			return parts, nil
		}
		if page.NextPartNumberMarker <= marker {
			return nil, c.broken(r, "a list that does not go on")
		}
		marker = page.NextPartNumberMarker
	}
}

// completePart and completeXML are the body of Complete.
type completePart struct {
	PartNumber int
	ETag       string
}

type completeXML struct {
	XMLName xml.Name       `xml:"CompleteMultipartUpload"`
	Part    []completePart `xml:"Part"`
}

// Complete makes the object of its parts, which must be ascending.
func (b *Bucket) Complete(ctx context.Context, key, uploadID string, parts []upload.Part) (upload.Stored, error) {
	list := completeXML{Part: make([]completePart, len(parts))}
	for i, p := range parts {
		list.Part[i] = completePart{p.Number, `"` + p.ETag + `"`}
	}
	body, err := xml.Marshal(list)
	if err != nil {
		return upload.Stored{}, fmt.Errorf("complete %s: %w", key, err)
	}
	c := &call{op: "complete", method: http.MethodPost, key: key, params: map[string]any{"uploadId": uploadID, "encoding-type": "url"}, body: body}
	r, err := b.do(ctx, c)
	if err != nil {
		return upload.Stored{}, err
	}
	var result struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}
	if err := c.decode(r, &result); err != nil {
		return upload.Stored{}, err
	}
	s, err := c.stored(r, true)
	s.ETag = unquote(result.ETag)
	return s, err
}

// Abort does away with an upload and its parts.
func (b *Bucket) Abort(ctx context.Context, key, uploadID string) error {
	c := &call{op: "abort", method: http.MethodDelete, key: key, params: map[string]any{"uploadId": uploadID}, want: http.StatusNoContent}
	_, err := b.do(ctx, c)
	if errors.Is(err, upload.Missing) {
		return nil
	}
	return err
}

// Pending lists the unfinished multipart uploads of keys that begin with
// prefix, in the order of their keys, page by page, up to a number of them.
func (b *Bucket) Pending(ctx context.Context, prefix string, most int) ([]upload.Pending, error) {
	var list []upload.Pending
	for key, id := "", ""; ; {
		c := &call{op: "list uploads", method: http.MethodGet, params: map[string]any{
			"uploads": nil, "encoding-type": "url", "max-uploads": strconv.Itoa(min(most-len(list), pageSize)),
		}}
		for name, value := range map[string]string{"prefix": prefix, "key-marker": key, "upload-id-marker": id} {
			if value != "" {
				c.params[name] = value
			}
		}
		r, err := b.do(ctx, c)
		if err != nil {
			return nil, err
		}
		page, err := c.pending(r)
		if err != nil {
			return nil, err
		}
		list = append(list, page.uploads...)
		if !page.more || len(list) >= most {
			return list, nil
		}
		if page.key < key || page.key == key && page.id <= id {
			return nil, c.broken(r, "a list that does not go on")
		}
		key, id = page.key, page.id
	}
}

// A pendingPage is one answer of a list of uploads, and where the next begins.
type pendingPage struct {
	uploads []upload.Pending
	more    bool
	key, id string
}

func (c *call) pending(r *reply) (*pendingPage, error) {
	var result struct {
		XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
		IsTruncated        bool
		NextKeyMarker      string
		NextUploadIDMarker string `xml:"NextUploadIdMarker"`
		Upload             []struct {
			Key       string
			UploadID  string `xml:"UploadId"`
			Initiated time.Time
		}
	}
	if err := c.decode(r, &result); err != nil {
		return nil, err
	}
	next, err := url.QueryUnescape(result.NextKeyMarker)
	if err != nil {
		return nil, c.broken(r, "an answer that cannot be read")
	}
	page := &pendingPage{more: result.IsTruncated, key: next, id: result.NextUploadIDMarker}
	for _, u := range result.Upload {
		key, err := url.QueryUnescape(u.Key)
		if err != nil || u.UploadID == "" {
			return nil, c.broken(r, "an answer that cannot be read")
		}
		page.uploads = append(page.uploads, upload.Pending{Key: key, ID: u.UploadID, Began: u.Initiated})
	}
	return page, nil
}
