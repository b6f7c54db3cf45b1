package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/bucket"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

// clockTolerance is the error of the clock that doctor warns of.
const clockTolerance = time.Minute

func probeName() string { return ".osssync-doctor-" + strings.ToLower(rand.Text()[:12]) }

// checkServices asks the metadata service, then OSS with the credential it
// gave. A credential of the cache would hide a metadata service that is gone,
// so it is used only where there is no other.
func (d *doctor) checkServices(ctx context.Context) []check {
	uncached := *d.config
	uncached.Credentials.Cache = false
	log := d.app.quietLogger(d.config)
	s := newSession(&uncached, log)
	checks, snap := d.checkCredential(ctx, s)
	if serviceDown := snap == nil && len(checks) == 1; serviceDown && d.config.Credentials.Cache {
		old := newSession(d.config, log)
		if snap = fromCache(ctx, old); snap != nil {
			s = old
			checks = append(checks, good("cached token", "good until %s; the rest is checked with it", snap.Expires.UTC().Format(time.RFC3339)))
		}
	}
	if snap == nil {
		return append(checks, checkClock(s.creds.Offset()),
			warning("endpoint", "see to the credential first", "not asked, for there is no credential"))
	}
	oss := d.checkBuckets(ctx, s)
	return append(append(checks, checkClock(s.creds.Offset())), oss...)
}

// fromCache returns the credential on disk, nil where there is none.
func fromCache(ctx context.Context, s *session) *creds.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, cachePatience)
	defer cancel()
	snap, err := s.creds.Get(ctx)
	if err != nil {
		return nil
	}
	return snap
}

// checkCredential checks the metadata service, the role and the token.
func (d *doctor) checkCredential(ctx context.Context, s *session) ([]check, *creds.Snapshot) {
	const service, role = "metadata service", "role"
	ctx, cancel := context.WithTimeout(ctx, credentialPatience)
	defer cancel()
	at := cmp.Or(d.config.Credentials.MetadataEndpoint, creds.DefaultEndpoint)
	snap, err := s.creds.Get(ctx)
	if e, ok := errors.AsType[*creds.Error](err); ok {
		switch e.Kind {
		case creds.NoRole, creds.WrongRole, creds.Denied:
			return []check{good(service, "%s answers in hardened mode", at), failure(role, err, "")}, nil
		}
	}
	if err != nil {
		f := failure(service, timedOut(ctx, err, credentialPatience), "check that neither firewall, route nor container network keeps this process from "+at)
		f.code = exitNoCreds
		return []check{f}, nil
	}
	checks := []check{good(service, "%s answers in hardened mode", at)}
	if id, err := s.creds.Identity(ctx); err != nil {
		checks[0] = failure(service, timedOut(ctx, err, credentialPatience), "ask again; the credential came, the identity of the instance did not")
	} else {
		checks[0].Detail += fmt.Sprintf("; instance %s, zone %s, account %s", id.InstanceID, id.Zone, id.AccountID)
	}
	left := time.Until(snap.Expires.Add(-s.creds.Offset())).Round(time.Minute)
	return append(checks, good(role, "%s", snap.Role),
		good("token", "%s, good for another %v", snap.AccessKeyID, left)), snap
}

// timedOut says in words that the time of ctx, which had that limit, is over.
// Where it is not, err tells more: the time of a connection ends by an error of
// the same kind.
func timedOut(ctx context.Context, err error, limit time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return fmt.Errorf("no answer within %v", limit)
	}
	return err
}

// checkClock tells how wrong this machine's clock is by what services said.
func checkClock(offset time.Duration) check {
	const name, fix = "clock", "set the clock: start chronyd or systemd-timesyncd, or w32time on Windows"
	switch {
	case offset == 0:
		return warning(name, "see to the other failures first", "not known, for no service told the time")
	case offset > clockTolerance:
		return warning(name, fix, "this machine's clock is %v behind", offset.Round(time.Second))
	case offset < -clockTolerance:
		return warning(name, fix, "this machine's clock is %v ahead", (-offset).Round(time.Second))
	}
	return good(name, "right to %v", max(offset.Abs().Round(time.Second), time.Second))
}

// checkBuckets checks each bucket that the configuration names, and in those
// that answer the permissions of their jobs, side by side.
func (d *doctor) checkBuckets(ctx context.Context, s *session) []check {
	var names []string
	for i := range d.config.Jobs {
		names = append(names, cmp.Or(d.config.Jobs[i].Bucket, d.config.OSS.Bucket))
	}
	if len(names) == 0 && d.config.OSS.Bucket != "" {
		names = append(names, d.config.OSS.Bucket)
	}
	if len(names) == 0 {
		return []check{warning("endpoint", "name a bucket in the configuration", "not asked, for no bucket is named")}
	}
	slices.Sort(names)
	return inParallel(slices.Compact(names), func(name string) []check { return d.checkBucket(ctx, s, name) })
}

// inParallel returns what f found of each, in the order of the list.
func inParallel[T any](list []T, f func(T) []check) []check {
	results := make([][]check, len(list))
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() { results[i] = f(v) })
	}
	wg.Wait()
	return slices.Concat(results...)
}

// checkBucket asks for an object that is not there: any answer of OSS shows
// that it is reached.
func (d *doctor) checkBucket(ctx context.Context, s *session, name string) []check {
	reached, b := d.checkEndpoint(ctx, s, name)
	if b == nil {
		return []check{reached}
	}
	var jobs []*config.Job
	for i := range d.config.Jobs {
		if j := &d.config.Jobs[i]; cmp.Or(j.Bucket, d.config.OSS.Bucket) == name {
			jobs = append(jobs, j)
		}
	}
	return append([]check{reached}, inParallel(jobs, func(j *config.Job) []check { return d.checkPermissions(ctx, s, b, j) })...)
}

func (d *doctor) checkEndpoint(ctx context.Context, s *session, name string) (check, *bucket.Bucket) {
	title := "bucket " + name
	ctx, cancel := context.WithTimeout(ctx, endpointPatience)
	defer cancel()
	b, err := s.bucket(ctx, name)
	if err != nil {
		f := failure(title, timedOut(ctx, err, endpointPatience), "correct oss.endpoint and oss.region")
		return f, nil
	}
	_, err = b.Head(ctx, d.probe)
	e, answered := errors.AsType[*upload.RequestError](err)
	answered = err == nil || answered && e.Status != 0
	where := cmp.Or(d.config.OSS.Endpoint, "the internal endpoint of the region")
	switch {
	case answered && e != nil && (e.Class == upload.Credential || e.Code == "NoSuchBucket"):
		return failure(title, err, ""), nil
	case answered && e != nil && e.Class == upload.Transient:
		return failure(title, err, "is oss.endpoint an endpoint of OSS? if so, ask again"), nil
	case answered:
		return good(title, "%s answers", where), b
	}
	return failure(title, fmt.Errorf("%s: %w", where, timedOut(ctx, err, endpointPatience)),
		"check oss.endpoint, and that this instance reaches it; outside the bucket's region name the public endpoint"), nil
}
