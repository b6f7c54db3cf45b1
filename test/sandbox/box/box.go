// Package box puts the whole sandbox together in one process: an OSS server, an
// ECS metadata service and STS, each on a loopback port of its own, and all of
// one mind about which credentials are good.
//
// A test starts one with [Start], a program or a benchmark with [New]:
//
//	b := box.Start(t, box.Options{Latency: 20 * time.Millisecond})
//	config := b.Config(box.Job{"name": "logs", "source": dir})
//
// # Breaking things
//
// The servers are fields of the Box, each with its Faults and its request log.
// [Box.Down] takes a server away altogether, so that connections to it are
// refused, and [Box.Up] brings it back at the same address. What lies on disk
// and in the servers' memory stays.
package box

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// The defaults of Options.
const (
	DefaultBucket = "sandbox"
	DefaultRegion = "cn-hangzhou"
	DefaultRole   = "osssync-sandbox"
	TargetRole    = "osssync-target" // may be assumed by everyone in the account
)

// A Service is one of the servers of a box.
type Service string

// The services of a box.
const (
	OSS      Service = "oss"
	Metadata Service = "metadata"
	STS      Service = "sts"
	Control  Service = "control" // only with Options.ControlAddr
)

// Options tunes a Box. The zero value means the defaults.
type Options struct {
	Bucket   string        // created at the start; "" means DefaultBucket
	Region   string        // "" means DefaultRegion
	Role     string        // of the instance; "" means DefaultRole
	Mode     ecs.Mode      // of the metadata service; "" means ecs.Hardened
	Lifetime time.Duration // of the role's credentials; 0 means six hours
	Latency  time.Duration // that each request to OSS takes besides; 0 means none
	Roles    []ecs.Role    // that may be assumed; nil means one, TargetRole

	// KeyID and KeySecret are a long-lived key that OSS and STS accept besides,
	// for clients that cannot ask a metadata service. "" means none.
	KeyID, KeySecret string

	// Addresses to listen on, loopback or 100.100.100.200. "" means a free port
	// of 127.0.0.1, except for the control address, where it means none.
	Addr, MetadataAddr, STSAddr, ControlAddr string

	Now func() time.Time // the servers' clock; nil means time.Now
}

func (o Options) withDefaults() Options {
	if o.Bucket == "" {
		o.Bucket = DefaultBucket
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if o.Role == "" {
		o.Role = DefaultRole
	}
	if o.Roles == nil {
		o.Roles = []ecs.Role{{Name: TargetRole}}
	}
	return o
}

// A Box is a running sandbox. Its methods may be called concurrently.
type Box struct {
	Bucket string
	Region string
	Dir    string // holds the objects and, with Config, the agent's state

	OSSEndpoint      string // "http://127.0.0.1:PORT", as all of them
	MetadataEndpoint string
	STSEndpoint      string
	ControlEndpoint  string // "" without Options.ControlAddr

	Authority *authority.Authority
	OSS       *oss.Server
	ECS       *ecs.Server
	STS       *ecs.STS

	admin     *admin
	asked     atomic.Int64
	endpoints map[Service]*endpoint
}

// New starts a box that keeps its objects below dir, which it creates. A box
// started again on the same directory has the same objects, but knows none of
// the credentials it issued before. Close must be called.
func New(dir string, opt Options) (*Box, error) {
	opt = opt.withDefaults()
	auth := authority.New(authority.Options{Lifetime: opt.Lifetime, Now: opt.Now})
	if opt.KeyID != "" {
		auth.AddStatic(opt.KeyID, opt.KeySecret)
	}
	adm := newAdmin()
	auth.AddStatic(adm.id, adm.secret)
	b := &Box{
		Bucket:    opt.Bucket,
		Region:    opt.Region,
		Dir:       dir,
		Authority: auth,
		ECS:       ecs.New(ecs.Options{Authority: auth, Role: opt.Role, Mode: opt.Mode, Region: opt.Region}),
		STS:       ecs.NewSTS(ecs.STSOptions{Authority: auth, Roles: opt.Roles}),
		admin:     adm,
		endpoints: make(map[Service]*endpoint),
	}
	server, err := oss.New(filepath.Join(dir, "oss"), oss.Options{Authority: auth, Region: opt.Region})
	if err != nil {
		return nil, fmt.Errorf("open objects: %w", err)
	}
	b.OSS = server
	if err := b.start(opt); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// start creates the bucket and listens.
func (b *Box) start(opt Options) error {
	if err := b.OSS.CreateBucket(b.Bucket); err != nil {
		return fmt.Errorf("create bucket %s: %w", b.Bucket, err)
	}
	services := []struct {
		service Service
		addr    string
		handler http.Handler
		url     *string
	}{
		{OSS, opt.Addr, b.counted(slow(b.OSS, opt.Latency)), &b.OSSEndpoint},
		{Metadata, opt.MetadataAddr, b.ECS, &b.MetadataEndpoint},
		{STS, opt.STSAddr, b.STS, &b.STSEndpoint},
		{Control, opt.ControlAddr, b.control(), &b.ControlEndpoint},
	}
	for _, s := range services {
		if s.service == Control && s.addr == "" {
			continue
		}
		e, err := listen(s.addr, s.handler)
		if err != nil {
			return fmt.Errorf("start %s: %w", s.service, err)
		}
		b.endpoints[s.service] = e
		*s.url = e.url()
	}
	return nil
}

// Asked returns how many requests to OSS have come over the network but for
// those about leases, which come when they are due. The box's own, such as those
// of Objects, are not in it.
func (b *Box) Asked() int64 { return b.asked.Load() }

func (b *Box) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key, err := url.PathUnescape(r.URL.EscapedPath()); err != nil || !IsLease(key) {
			b.asked.Add(1)
		}
		h.ServeHTTP(w, r)
	})
}

// slow returns a handler that waits before each request.
func slow(h http.Handler, latency time.Duration) http.Handler {
	if latency <= 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := time.NewTimer(latency)
		defer t.Stop()
		select {
		case <-t.C:
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// Down takes a server away: its connections end and new ones are refused. It
// does nothing where the server is down already.
func (b *Box) Down(s Service) error { return b.each(s, (*endpoint).down) }

// Up brings a server back at its address. It does nothing where the server is
// up already.
func (b *Box) Up(s Service) error { return b.each(s, (*endpoint).up) }

func (b *Box) each(s Service, do func(*endpoint) error) error {
	e, ok := b.endpoints[s]
	if !ok {
		return fmt.Errorf("no service %q", s)
	}
	return do(e)
}

// Close ends the box. No request is being answered when it returns.
func (b *Box) Close() error {
	var errs []error
	for _, s := range []Service{Control, OSS, Metadata, STS} {
		if e, ok := b.endpoints[s]; ok {
			errs = append(errs, e.down())
		}
	}
	return errors.Join(append(errs, b.OSS.Close())...)
}
