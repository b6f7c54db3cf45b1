package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// The plain client runs as a process of its own, as osssync does: in that of
// the server it would spare both of them much of the work of the network.
type clientFlags struct {
	mode    string // "files", "multipart" or "sdk"; "" when this process is not the client
	base    string
	path    string // a file, or a directory whose files are put
	workers int
	limit   int // files at most
	head    bool
	region  string
	grant   string // see grantEnv
}

func (c *clientFlags) define(f *flag.FlagSet) {
	f.StringVar(&c.mode, "client", "", "be the plain client: files, multipart or sdk")
	f.StringVar(&c.base, "base", "", "of the plain client: URL of the bucket")
	f.StringVar(&c.path, "path", "", "of the plain client: what to put")
	f.IntVar(&c.workers, "workers", 1, "of the plain client")
	f.IntVar(&c.limit, "limit", 0, "of the plain client: files at most")
	f.BoolVar(&c.head, "head", false, "of the plain client: HEAD before each PUT")
	f.StringVar(&c.region, "region", "", "of a client that signs")
}

// start runs the client and returns how long that took, from the process's
// start to its end, and how much processor time it used.
func (c clientFlags) start(ctx context.Context) (took, cpu time.Duration, err error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, exe, "-client", c.mode, "-base", c.base, "-path", c.path,
		fmt.Sprint("-workers=", c.workers), fmt.Sprint("-limit=", c.limit), fmt.Sprint("-head=", c.head), "-region", c.region)
	cmd.Env = append(os.Environ(), c.grant)
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err = cmd.Run(); err != nil {
		return 0, 0, err
	}
	return time.Since(begun), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// run is the client.
func (c clientFlags) run(ctx context.Context) error {
	p := newPlain(c.base, c.workers, c.head)
	if c.mode == "multipart" {
		return p.multipart(ctx, c.path, "plain", partBytes)
	}
	var paths []string
	err := filepath.WalkDir(c.path, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && (c.limit == 0 || len(paths) < c.limit) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.mode == "sdk" {
		return c.putBySDK(ctx, paths)
	}
	return p.files(ctx, paths, "plain-")
}

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

// files puts every file, under its name behind prefix.
func (p *plain) files(ctx context.Context, paths []string, prefix string) error {
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
	return g.Wait()
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
func (p *plain) multipart(ctx context.Context, path, key string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	target := p.base + "/" + url.PathEscape(key)
	answer, _, err := p.do(ctx, http.MethodPost, target+"?uploads", nil)
	if err != nil {
		return err
	}
	var begun struct{ UploadId string }
	if err := xml.Unmarshal(answer, &begun); err != nil {
		return err
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
		return err
	}
	var list bytes.Buffer
	list.WriteString("<CompleteMultipartUpload>")
	for i, etag := range etags {
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, etag)
	}
	list.WriteString("</CompleteMultipartUpload>")
	_, _, err = p.do(ctx, http.MethodPost, target+"?uploadId="+begun.UploadId, list.Bytes())
	return err
}
