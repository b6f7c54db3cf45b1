package bucket

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

// quickBody is up to which size the put of an object goes the quick way, in
// bytes. What the SDK costs for each request does not matter beside a larger
// body, and its header and all of a body of this size fit into writeBuffer and
// leave in one write: a header is 12 KiB at most, two thirds of it metadata,
// unless the tags are long and not ASCII.
const quickBody = 20 << 10

// isQuick reports whether a call goes the quick way: many small files are many
// such calls, and nothing else is.
func (c *call) isQuick() bool {
	return c.method == http.MethodPut && c.body != nil && c.params == nil && c.key != "" && len(c.body) <= quickBody
}

// A draft is a quick request, signed. Its memory is used again once the transport
// is done with it.
type draft struct {
	session *session
	offset  time.Duration // of the server's clock
	at      time.Time

	url    url.URL
	header http.Header
	slots  []slot // of which header is made, as they were set
	set    int    // how many of them
	signed []field
	length int // of the body
	body   [quickBody]byte
}

// A slot is a header of a request. Nearly all puts have the same ones, in the same
// order: then only values change, and the map that they are in stays as it is.
type slot struct {
	name  string
	value []string // one
}

// repeatable is the header that tells the transport that a request is.
const repeatable = "Idempotency-Key"

// draftAge is how long a draft is good. The service tolerates dates of 15 minutes.
const draftAge = time.Minute

// add adds a header. Those that OSS signs are Content-Type, Content-MD5 and all
// that begin with x-oss-, which the callers write in lower case but for what
// users name.
func (d *draft) add(name, value string) {
	if d.set < len(d.slots) && d.slots[d.set].name == name {
		d.slots[d.set].value[0] = value
	} else {
		d.slots = append(d.slots[:d.set], slot{name, []string{value}})
		d.header = nil
	}
	d.set++
	if name == "Content-Type" || name == "Content-MD5" || strings.HasPrefix(name, "x-oss-") {
		d.signed = append(d.signed, field{strings.ToLower(name), value})
	}
}

// draft returns an empty draft.
func (l *line) draft() *draft {
	d, ok := l.drafts.Get().(*draft)
	if !ok {
		return &draft{slots: make([]slot, 0, 16), signed: make([]field, 0, 16)}
	}
	d.set, d.signed = 0, d.signed[:0]
	return d
}

// fold makes the header of the slots that were set.
func (d *draft) fold() {
	if d.header != nil && d.set == len(d.slots) {
		return
	}
	d.slots = d.slots[:d.set]
	d.header = make(http.Header, d.set+1)
	for _, s := range d.slots {
		d.header[s.name] = s.value
	}
	// To repeat it does no harm: the transport may, when a kept connection
	// turns out to be dead. The header, being empty, is not sent.
	d.header[repeatable] = nil
}

// Prepare does what can be done of a put before it may be sent, and returns a
// function that does the rest, and can be called again. Where there is no
// credential that function says so. It implements [upload.Preparer].
func (b *Bucket) Prepare(ctx context.Context, key string, body []byte, h upload.Header) func(context.Context) (upload.Stored, error) {
	c := &call{op: "put", method: http.MethodPut, key: key, header: headers(h), body: nonNil(body)}
	if c.isQuick() {
		snap, err := b.opt.Credentials.Get(ctx)
		if err != nil { // to ask once more would take as long once more
			return func(ctx context.Context) (upload.Stored, error) { return upload.Stored{}, c.noCredential(ctx, err) }
		}
		if s, err := b.sessionOf(snap); err == nil { // else it fails again, and is told, when it is sent
			c.draft = b.newDraft(c, s, b.dating())
		}
	}
	return func(ctx context.Context) (upload.Stored, error) { return b.put(ctx, c) }
}

// quick does what the SDK's Conn does, with the same request and the same
// errors, at a third of the cost: it builds the request once, signs it with a
// key that is derived once a day, and hands the transport a body that it knows
// to be in memory.
func (b *Bucket) quick(ctx context.Context, c *call, s *session, offset time.Duration) (*oss.Response, error) {
	d := c.draft
	c.draft = nil
	if d == nil || d.session != s || d.offset != offset || time.Since(d.at) > draftAge {
		d = b.newDraft(c, s, offset)
	}
	resp, err := b.line.send(ctx, c.method, d)
	if err != nil {
		return nil, err
	}
	r := &oss.Response{StatusCode: resp.StatusCode, Headers: resp.Header, Body: resp.Body}
	if resp.StatusCode/100 == 2 {
		return r, nil
	}
	return r, answerError(resp)
}

// newDraft makes a signed request of a call.
func (b *Bucket) newDraft(c *call, s *session, offset time.Duration) *draft {
	d := b.line.draft()
	d.session, d.offset, d.at = s, offset, time.Now()
	escaped := escape(c.key)
	host, path, plain := b.endpoint.host, "/"+escaped, "/"+c.key
	if b.endpoint.pathStyle {
		path, plain = "/"+b.opt.Name+path, "/"+b.opt.Name+plain
	} else {
		host = b.opt.Name + "." + host
	}
	d.url = url.URL{Scheme: b.endpoint.scheme, Host: host, Path: plain, RawPath: path}
	date := b.stamps.of(d.at.Add(offset))
	b.write(d, c, s.snap, date)
	signed := "/" + b.opt.Name + "/" + strings.ReplaceAll(escaped, "%2F", "/")
	d.add("Authorization", s.signer.sign(c.method, signed, d.signed, date))
	d.fold()
	d.length = copy(d.body[:], c.body)
	return d
}

// write writes the header of a request but for its signature.
func (b *Bucket) write(d *draft, c *call, snap *creds.Snapshot, date *stamp) {
	for _, f := range c.header {
		d.add(f.name, f.value)
	}
	d.add("Date", date.text)
	d.add("x-oss-content-sha256", unsignedPayload)
	d.add("User-Agent", b.opt.UserAgent)
	if token := snap.SecurityToken.Reveal(); token != "" {
		d.add("x-oss-security-token", token)
	}
}

// answerError returns what the SDK would make of an answer that is no success.
func answerError(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return fmt.Errorf("oss: service returned %d", resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var e oss.ServiceError
	if len(body) > 0 {
		if err := xml.Unmarshal(body, &e); err != nil {
			return errors.New("answer is not one of OSS")
		}
	}
	e.StatusCode = resp.StatusCode
	return e
}

// send carries a small request: the line paces it as a whole, and the answer
// is read here, so that there is one limit in time for all of it. The transport
// may go on reading header and body after it has returned, when the caller has
// other use for the memory; so they are the draft's own. After a success it does
// not, for it has read all of them before the first byte left, and then the draft
// is used again.
func (l *line) send(ctx context.Context, method string, d *draft) (*http.Response, error) {
	data := d.body[:d.length]
	for left := len(data); left > 0 && l.limiter != nil; {
		n, err := pace(ctx, l.limiter, left)
		if err != nil {
			return nil, err
		}
		left -= n
	}
	l.requests.Add(1)
	limit := 2*l.times.dial + l.times.answer + time.Duration(len(data))*time.Second/time.Duration(l.times.speed)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errStalled)
	defer cancel()
	req := &http.Request{
		Method: method, URL: &d.url, Host: d.url.Host, ContentLength: int64(len(data)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.header,
		Body:   http.NoBody,
	}
	if len(data) > 0 {
		// Readers of types that the transport knows, or it would send the
		// header on its own.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = req.GetBody()
	}
	if l.sent != nil && len(data) > 0 {
		l.sent(len(data))
	}
	resp, err := l.base.RoundTrip(req.WithContext(ctx))
	if err == nil && resp.StatusCode == http.StatusOK {
		l.drafts.Put(d)
	}
	if err == nil && resp.Body != http.NoBody {
		err = l.drain(resp)
	}
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = errStalled
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// drain replaces the body of an answer by its bytes.
func (l *line) drain(resp *http.Response) error {
	most := int64(longestReply)
	if resp.StatusCode >= 300 {
		most = longestError
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	err = errors.Join(err, resp.Body.Close())
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
