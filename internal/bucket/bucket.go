// Package bucket is the one place that talks to OSS, by way of the Alibaba
// Cloud OSS SDK.
//
// The SDK builds URLs, signs (V4) and reads the service's errors. What it does
// not do is done here. It never retries: a refused credential is replaced and
// a wrong clock corrected, once; everything else goes back to the caller with a
// class that says what can be done. It follows redirects, and then takes the
// answer of another host to a GET for the success of a PUT: here any redirect is
// an error. It accepts an answer without a CRC-64: here that is an error too.
// Its errors can hold the token: what leaves this package has none.
//
// Requests go through the SDK's Conn, one level below its Bucket, which would
// hide the headers of answers and the CRC-64s of parts, and evaluates its
// options half a dozen times per request. The put of a small object, of which
// there are very many, is built and signed here; that both ways make the same
// request is tested.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"golang.org/x/time/rate"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

// Credentials are where requests get the key from that they are signed with,
// and the clock. *creds.Provider is the one in the product. Safe for concurrent
// use.
type Credentials interface {
	// Get returns the credential at hand, or waits for the first one.
	Get(ctx context.Context) (*creds.Snapshot, error)
	// Refresh gets another one than that of a generation that was refused. A
	// snapshot of the same generation means that there is none.
	Refresh(ctx context.Context, generation uint64) (*creds.Snapshot, error)
	// ObserveDate hears the Date of each answer; Offset is what must be added
	// to this machine's clock.
	ObserveDate(t time.Time)
	Offset() time.Duration
}

// Options say which bucket, and how to reach it. Region and Credentials are
// required.
type Options struct {
	Name      string // of the bucket; "" for Buckets only
	Region    string // such as "cn-hangzhou"
	Endpoint  string // "" means https://oss-REGION-internal.aliyuncs.com; without a scheme, https
	PathStyle bool   // the bucket's name in the path, not the host; forced for IP addresses
	AllowHTTP bool   // plain http to other hosts than this one

	Credentials Credentials
	MaxConns    int           // idle connections that are kept; 0 means 64
	Limiter     *rate.Limiter // paces all bodies, in bytes per second; nil means no limit
	Sent        func(n int)   // hears of body bytes as they go out; must be fast; may be nil
	UserAgent   string        // "" means "osssync"
	Logger      *slog.Logger  // nil means none

	// Proxy chooses the proxy of a request; nil means http.ProxyFromEnvironment.
	// This machine is never reached through one.
	Proxy func(*http.Request) (*url.URL, error)
}

// A Bucket is a bucket of OSS. It implements upload.Bucket. Safe for concurrent
// use.
type Bucket struct {
	opt      Options
	endpoint endpoint
	client   *http.Client
	line     *line
	session  atomic.Pointer[session]
	dates    dates
	stamps   stamps
}

var (
	_ upload.Bucket   = (*Bucket)(nil)
	_ upload.Preparer = (*Bucket)(nil)
)

// New returns a Bucket. It checks the options, and sends no request.
func New(opt Options) (*Bucket, error) {
	ep, err := parseEndpoint(opt)
	if err != nil {
		return nil, err
	}
	if opt.Name != "" {
		if err := oss.CheckBucketName(opt.Name); err != nil {
			return nil, fmt.Errorf("bucket %q: 3 to 63 lower-case letters, digits and hyphens, with no hyphen at either end", opt.Name)
		}
	}
	if opt.Credentials == nil {
		return nil, errors.New("bucket: no credentials")
	}
	if opt.MaxConns <= 0 {
		opt.MaxConns = 64
	}
	if opt.UserAgent == "" {
		opt.UserAgent = "osssync"
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Proxy == nil {
		opt.Proxy = http.ProxyFromEnvironment
	}
	l := newLine(ep, opt)
	return &Bucket{opt: opt, endpoint: ep, line: l, client: &http.Client{
		Transport:     l,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name returns the bucket's name.
func (b *Bucket) Name() string { return b.opt.Name }

// Requests returns how many requests were sent so far.
func (b *Bucket) Requests() int64 { return b.line.requests.Load() }

// Close closes idle connections. Requests that run are not affected.
func (b *Bucket) Close() { b.line.base.CloseIdleConnections() }

// A session is the SDK's client for one credential. The SDK asks its provider
// anew for each request; with a client for each snapshot, which costs less than
// one signature, a request knows which generation it was signed with.
type session struct {
	snap   *creds.Snapshot
	conn   *oss.Conn
	signer *signer
}

func (b *Bucket) sessionOf(snap *creds.Snapshot) (*session, error) {
	if s := b.session.Load(); s != nil && s.snap == snap {
		return s, nil
	}
	client, err := oss.New(b.endpoint.url, "", "",
		oss.HTTPClient(b.client),
		oss.SetCredentialsProvider(provider{snap}),
		oss.AuthVersion(oss.AuthV4),
		oss.Region(b.endpoint.region),
		oss.ForcePathStyle(b.endpoint.pathStyle),
		oss.EnableCRC(false), // compared by package upload, with what it read
		oss.EnableMD5(false),
		oss.UserAgent(b.opt.UserAgent),
	)
	if err != nil {
		return nil, err
	}
	s := &session{snap, client.Conn, newSigner(snap, b.endpoint.region)}
	b.session.Store(s)
	return s, nil
}

// A provider shows the SDK one snapshot, for ever.
type provider struct{ snap *creds.Snapshot }

// GetCredentials implements oss.CredentialsProvider.
func (p provider) GetCredentials() oss.Credentials { return p }

// GetAccessKeyID implements oss.Credentials.
func (p provider) GetAccessKeyID() string { return p.snap.AccessKeyID }

// GetAccessKeySecret implements oss.Credentials.
func (p provider) GetAccessKeySecret() string { return p.snap.AccessKeySecret.Reveal() }

// GetSecurityToken implements oss.Credentials.
func (p provider) GetSecurityToken() string { return p.snap.SecurityToken.Reveal() }
