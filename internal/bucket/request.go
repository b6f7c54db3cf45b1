package bucket

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

// A call is one request as OSS understands it.
type call struct {
	op      string // for errors
	method  string
	key     string // "" for the bucket itself
	service bool   // concerns no bucket
	params  map[string]any
	header  fields
	body    []byte // nil for none
	want    int    // status of success; 0 means 200
	draft   *draft // prepared, and not used yet; nil for none
}

// fields are the headers of a request but for those that every request has.
type fields []field

// set adds a header, which must not be there, or nothing for no value.
func (f *fields) set(name, value string) {
	if value != "" {
		*f = append(*f, field{name, value})
	}
}

// dates remembers the date that was read last: many answers bear the same.
// Safe for concurrent use.
type dates struct{ last atomic.Pointer[date] }

type date struct {
	text string
	time time.Time
}

func (d *dates) parse(text string) (time.Time, bool) {
	if last := d.last.Load(); last != nil && last.text == text {
		return last.time, true
	}
	t, err := http.ParseTime(text)
	if err != nil {
		return t, false
	}
	d.last.Store(&date{text, t})
	return t, true
}

// A reply is a successful answer.
type reply struct {
	header http.Header
	body   []byte
}

const (
	longestReply = 16 << 20 // bytes; a full list of the longest keys has a quarter of that

	// skewLimit is how wrong this machine's clock must be for requests to be
	// dated by the server's. The service tolerates 15 minutes.
	skewLimit = 5 * time.Minute
)

// do sends a request and reads the whole answer.
func (b *Bucket) do(ctx context.Context, c *call) (*reply, error) {
	resp, err := b.open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.Body == http.NoBody {
		return &reply{header: resp.Headers}, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestReply+1))
	if err == nil && len(body) > longestReply {
		err = errors.New("answer is too long")
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, c.cancelled(ctx)
		}
		return nil, c.failed(resp, fmt.Errorf("read answer: %w", err))
	}
	return &reply{resp.Headers, body}, nil
}

// open sends a request and returns the answer with its body unread. A request
// whose credential is refused is sent again with another if there is one, and
// one whose date is refused with the server's date; each once.
func (b *Bucket) open(ctx context.Context, c *call) (*oss.Response, error) {
	snap, err := b.opt.Credentials.Get(ctx)
	if err != nil {
		return nil, c.noCredential(ctx, err)
	}
	date := b.dating()
	var refreshed, dated bool
	for {
		resp, err := b.once(ctx, c, snap, date)
		e, ok := errors.AsType[*upload.RequestError](err)
		switch {
		case !ok: // success, or ctx is done
			return resp, err
		case e.Code == codeSkewed && !dated:
			off, ok := serverOffset(resp)
			if !ok {
				return nil, e
			}
			date, dated = off, true
		case refusedCredential(e.Code) && !refreshed:
			if e.Code == codeMixed {
				b.opt.Logger.ErrorContext(ctx, "key and token of different credentials in one request", "err", e)
			}
			fresh, err := b.opt.Credentials.Refresh(ctx, snap.Generation)
			if ctx.Err() != nil {
				return nil, c.cancelled(ctx)
			}
			if err != nil || fresh.Generation == snap.Generation {
				return nil, e
			}
			snap, refreshed = fresh, true
		default:
			if refreshed && e.Code == codeSignature { // no credential will help
				e.Class = upload.ThisJob
			}
			return nil, e
		}
	}
}

// dating returns what to add to this machine's clock in the date of a request.
func (b *Bucket) dating() time.Duration {
	if off := b.opt.Credentials.Offset(); off.Abs() > skewLimit {
		return off
	}
	return 0
}

// once sends a request once, signed with one snapshot. With a failure it
// returns the answer as well if there was one, its body closed.
func (b *Bucket) once(ctx context.Context, c *call, snap *creds.Snapshot, offset time.Duration) (*oss.Response, error) {
	session, err := b.sessionOf(snap)
	if err != nil {
		return nil, c.failed(nil, err)
	}
	var resp *oss.Response
	if c.isQuick() {
		resp, err = b.quick(ctx, c, session, offset)
	} else {
		resp, err = b.bySDK(ctx, c, session.conn, offset)
	}
	if resp != nil {
		if t, ok := b.dates.parse(resp.Headers.Get("Date")); ok {
			b.opt.Credentials.ObserveDate(t)
		}
	}
	want := c.want
	if want == 0 {
		want = http.StatusOK
	}
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("status %d, not %d", resp.StatusCode, want)
	}
	if err == nil {
		return resp, nil
	}
	if resp != nil {
		resp.Body.Close()
	}
	if ctx.Err() != nil {
		return nil, c.cancelled(ctx)
	}
	return resp, c.explain(resp, err, snap)
}

// bySDK sends a request by the SDK.
func (b *Bucket) bySDK(ctx context.Context, c *call, conn *oss.Conn, offset time.Duration) (*oss.Response, error) {
	header := make(map[string]string, len(c.header)+1)
	for _, f := range c.header {
		header[f.name] = f.value
	}
	if offset != 0 {
		header["x-oss-date"] = time.Now().Add(offset).UTC().Format(signTime)
	}
	var body io.Reader
	if c.body != nil {
		body = &content{data: c.body}
	}
	name := b.opt.Name
	if c.service {
		name = ""
	}
	return conn.DoWithContext(ctx, c.method, name, c.key, c.params, header, body, 0, nil)
}

// serverOffset tells how far this machine's clock is from the server's.
func serverOffset(resp *oss.Response) (time.Duration, bool) {
	if resp == nil {
		return 0, false
	}
	t, err := http.ParseTime(resp.Headers.Get("Date"))
	return time.Until(t), err == nil
}

// cancelled is the error of a request whose context has ended.
func (c *call) cancelled(ctx context.Context) error {
	return fmt.Errorf("%s %s: %w", c.op, c.key, ctx.Err())
}

func (c *call) noCredential(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return c.cancelled(ctx)
	}
	return &upload.RequestError{Op: c.op, Key: c.key, Class: upload.Credential, Err: err}
}

// failed is the error of an answer that looked like success.
func (c *call) failed(resp *oss.Response, err error) *upload.RequestError {
	e := &upload.RequestError{Op: c.op, Key: c.key, Class: upload.Transient, Err: err}
	if resp != nil {
		e.Status = resp.StatusCode
		e.RequestID = requestID(resp.Headers)
	}
	return e
}

// decode reads the XML of a reply.
func (c *call) decode(r *reply, v any) error {
	if err := xml.NewDecoder(bytes.NewReader(r.body)).Decode(v); err != nil {
		return c.broken(r, "an answer that cannot be read")
	}
	return nil
}

// broken is the error of a reply that OSS would not send.
func (c *call) broken(r *reply, what string) error {
	return &upload.RequestError{
		Op: c.op, Key: c.key, Class: upload.Transient, Status: http.StatusOK,
		RequestID: requestID(r.header), Err: errors.New(what + ": is this OSS?"),
	}
}

// stored reads what a reply says of an object. An answer without a request id,
// or without a CRC-64 where there must be one, is not the service's.
func (c *call) stored(r *reply, mustCRC bool) (upload.Stored, error) {
	s := upload.Stored{Size: -1, ETag: unquote(r.header.Get("Etag")), RequestID: requestID(r.header)}
	if s.RequestID == "" {
		return s, c.broken(r, "success without a request id")
	}
	crc := r.header.Get(oss.HTTPHeaderOssCRC64)
	if crc == "" && !mustCRC {
		return s, nil
	}
	var err error
	if s.CRC64, err = strconv.ParseUint(crc, 10, 64); err != nil {
		return s, c.broken(r, "success without a CRC-64")
	}
	return s, nil
}

// requestID returns the id of an answer, "" for what is none.
func requestID(h http.Header) string { return identifier(h.Get(oss.HTTPHeaderOssRequestID)) }

// identifier returns s if it looks like an id or a code of the service, which
// neither a secret nor an error page does.
func identifier(s string) string {
	if len(s) > 40 {
		return ""
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '.' && c != '_' {
			return ""
		}
	}
	return s
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }
