package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A plain client puts files with net/http and nothing else: no signature, no
// checksum, no memory of what it sent. The bucket must allow that.
type plain struct {
	base    string // http://HOST:PORT/BUCKET
	workers int
	head    bool // ask HEAD before each PUT
	http    *http.Client
}

func newPlain(base string, workers int, head bool) *plain {
	t := &http.Transport{MaxIdleConns: workers, MaxIdleConnsPerHost: workers}
	return &plain{base, workers, head, &http.Client{Transport: t}}
}

func (p *plain) do(ctx context.Context, method, target string, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 && method != http.MethodHead {
		err = fmt.Errorf("%s %s: %s: %s", method, target, resp.Status, b)
	}
	return b, resp.Header, err
}

// files puts every file of dir, n of them, named 0 to n-1 below prefix.
func (p *plain) files(ctx context.Context, paths []string, prefix string) (time.Duration, error) {
	start := time.Now()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range p.workers {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(paths) {
					return nil
				}
				if err := p.file(ctx, paths[i], prefix+filepath.Base(paths[i])); err != nil {
					return err
				}
			}
		})
	}
	err := g.Wait()
	return time.Since(start), err
}

func (p *plain) file(ctx context.Context, path, key string) error {
	target := p.base + "/" + url.PathEscape(key)
	if p.head {
		if _, _, err := p.do(ctx, http.MethodHead, target, nil); err != nil {
			return err
		}
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, _, err = p.do(ctx, http.MethodPut, target, body)
	return err
}

// multipart puts one file in parts of size bytes.
func (p *plain) multipart(ctx context.Context, path, key string, size int64) (time.Duration, error) {
	start := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	target := p.base + "/" + url.PathEscape(key)
	answer, _, err := p.do(ctx, http.MethodPost, target+"?uploads", nil)
	if err != nil {
		return 0, err
	}
	var begun struct{ UploadId string }
	if err := xml.Unmarshal(answer, &begun); err != nil {
		return 0, err
	}
	etags := make([]string, (fi.Size()+size-1)/size)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.workers)
	for i := range etags {
		g.Go(func() error {
			part := make([]byte, min(size, fi.Size()-int64(i)*size))
			if _, err := f.ReadAt(part, int64(i)*size); err != nil {
				return err
			}
			_, h, err := p.do(gctx, http.MethodPut, fmt.Sprintf("%s?partNumber=%d&uploadId=%s", target, i+1, begun.UploadId), part)
			if err == nil {
				etags[i] = h.Get("ETag")
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	var list bytes.Buffer
	list.WriteString("<CompleteMultipartUpload>")
	for i, etag := range etags {
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, etag)
	}
	list.WriteString("</CompleteMultipartUpload>")
	_, _, err = p.do(ctx, http.MethodPost, target+"?uploadId="+begun.UploadId, list.Bytes())
	return time.Since(start), err
}
