package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/osssync/osssync/internal/bucket"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
)

const policyFix = "attach to the RAM role the policy that this prints: osssync policy"

// checkPermissions tries what a job needs on an object of its own. The object
// is only made where it can be deleted again; a multipart upload, which is
// always ended, needs the same permission to write.
func (d *doctor) checkPermissions(ctx context.Context, s *session, b *bucket.Bucket, job *config.Job) []check {
	ctx, cancel := context.WithTimeout(ctx, permissionPatience)
	defer cancel()
	title := "job " + job.Name + ": "
	prefix, err := s.expand(ctx, job)
	if err != nil {
		return []check{failure(title+"prefix", err, "correct the job's prefix")}
	}
	p := &prober{ctx: ctx, bucket: b, job: job, title: title}
	if p.key, err = plan.Key(prefix, d.probe); err != nil {
		return []check{failure(title+"prefix", err, "shorten the job's prefix")}
	}
	if !p.multipart("multipart", p.key) {
		return p.checks
	}
	if job.Deletes == "trash" && !p.multipart("trash", job.TrashPrefix+p.key) {
		return p.checks
	}
	p.object()
	p.list(prefix)
	p.checks = append(p.checks, d.checkOrphans(ctx, s, b, job, title)...)
	return append(p.checks, d.checkLease(ctx, s, job, title)...)
}

// expand returns the job's prefix with all placeholders replaced.
func (s *session) expand(ctx context.Context, job *config.Job) (string, error) {
	v, err := s.vars(ctx, job)
	if err != nil {
		return "", err
	}
	prefix, err := config.Expand(job.Prefix, v)
	return config.ExpandPath(prefix, "", time.Now()), err
}

// A prober tries permissions of one job.
type prober struct {
	ctx    context.Context
	bucket *bucket.Bucket
	job    *config.Job
	title  string
	key    string
	checks []check
}

func (p *prober) good(what, format string, args ...any) {
	p.checks = append(p.checks, good(p.title+what, format, args...))
}

func (p *prober) fail(what string, err error) {
	p.checks = append(p.checks, requestFailure(p.ctx, p.title+what, err))
}

// requestFixes are the fixes of what OSS refuses for all time, though no policy
// would change it, by its code.
var requestFixes = map[string]string{
	"InvalidBucketName":               "correct the bucket's name",
	"UserDisable":                     "see in the console why the account may not use OSS, such as an unpaid bill",
	"SecondLevelDomainForbidden":      "write oss.path_style = false",
	"InvalidRegion":                   "correct oss.region",
	"InvalidEncryptionAlgorithmError": "correct the job's encryption",
	"InvalidStorageClass":             "correct the job's storage_class",
	"KmsServiceNotEnabled":            "enable KMS in the bucket's region, or change the job's encryption",
}

// requestFailure is failure for a request that was made to try a permission: only
// where that is what is missing the policy is the fix.
func requestFailure(ctx context.Context, name string, err error) check {
	f := failure(name, timedOut(ctx, err, permissionPatience), "ask again")
	e, ok := errors.AsType[*upload.RequestError](err)
	switch {
	case !ok:
	case requestFixes[e.Code] != "":
		f.Fix = requestFixes[e.Code]
	case e.Class == upload.ThisJob && denied(err):
		f.Fix = policyFix
	}
	return f
}

// header is as the job's objects have it, where that needs permission.
func (p *prober) header() upload.Header {
	return upload.Header{Encryption: p.job.Encryption, ACL: p.job.ACL, Tags: p.job.Tags}
}

// cleanup returns a context for what must be done though the time is over.
func (p *prober) cleanup() (context.Context, context.CancelFunc) {
	if deadline, ok := p.ctx.Deadline(); ok && time.Until(deadline) > cleanupPatience {
		return context.WithDeadline(context.WithoutCancel(p.ctx), deadline)
	}
	return context.WithTimeout(context.WithoutCancel(p.ctx), cleanupPatience)
}

// multipart begins an upload, sends a part, lists it and ends the upload.
func (p *prober) multipart(what, key string) bool {
	id, err := p.bucket.Create(p.ctx, key, p.header())
	if err != nil {
		p.fail(what, err)
		return false
	}
	_, err = p.bucket.Part(p.ctx, key, id, 1, []byte("osssync doctor"))
	if err == nil {
		_, err = p.bucket.Parts(p.ctx, key, id)
	}
	ctx, cancel := p.cleanup()
	defer cancel()
	if abortErr := p.bucket.Abort(ctx, key, id); abortErr != nil {
		err = errors.Join(err, fmt.Errorf("upload %s of %s is left: %w", id, key, abortErr))
	}
	if err != nil {
		p.fail(what, err)
		return false
	}
	p.good(what, "may write: began an upload of %s, sent and listed a part, ended it", key)
	return true
}

// object tries what is done with whole objects.
func (p *prober) object() {
	mayDelete := p.delete()
	if mayDelete {
		p.put()
	} else {
		p.good("put", "not tried, for it could not be undone; multipart needs the same permission")
	}
	needed := p.job.Renames || p.job.Deletes == "trash"
	_, err := p.bucket.Head(p.ctx, p.key)
	switch {
	case err == nil || errors.Is(err, upload.Missing):
		p.good("head", "allowed")
	case needed || !denied(err):
		p.fail("head", err)
	default:
		p.good("head", "not allowed; this job does without")
	}
	if !mayDelete {
		return
	}
	ctx, cancel := p.cleanup()
	defer cancel()
	if err := p.bucket.Delete(ctx, []string{p.key}); err != nil {
		p.fail("delete", fmt.Errorf("%s is left: %w", p.key, err))
	}
}

func denied(err error) bool {
	e, ok := errors.AsType[*upload.RequestError](err)
	return ok && (e.Code == "AccessDenied" || e.Status == 403)
}

// delete tries to delete the object that is not there yet.
func (p *prober) delete() bool {
	err := p.bucket.Delete(p.ctx, []string{p.key})
	switch {
	case err == nil:
		p.good("delete", "allowed")
	case p.job.Deletes == "keep" && denied(err):
		p.good("delete", "not allowed; this job does without")
	default:
		p.fail("delete", err)
	}
	return err == nil
}

func (p *prober) put() {
	if _, err := p.bucket.Put(p.ctx, p.key, []byte("osssync doctor"), p.header()); err != nil {
		p.fail("put", err)
		return
	}
	p.good("put", "stored %s, deleted afterwards", p.key)
}

// list tells whether people may list the job's objects, which no job needs.
func (p *prober) list(prefix string) {
	for _, err := range p.bucket.List(p.ctx, bucket.ListOptions{Prefix: prefix, Limit: 1}) {
		switch {
		case err != nil && denied(err):
			p.good("list", "not allowed; only osssync ls and verify need it: osssync policy --ls")
			return
		case err != nil:
			p.fail("list", err)
			return
		}
		break
	}
	p.good("list", "allowed")
}
