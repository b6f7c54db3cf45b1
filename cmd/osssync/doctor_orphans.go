package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/bucket"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

const (
	asAgentFix = "run doctor as the user that runs osssync"
	orphansFix = "let a lifecycle rule of the bucket end multipart uploads after some days, or end these with: ossutil rm -r -m oss://BUCKET/PREFIX"

	mostOrphans = 10_000 // that are counted
	mostWeighed = 20     // whose parts are listed for their size
)

// checkOrphans tells of unfinished multipart uploads below a job's prefix that
// are not its own: their parts cost money until somebody ends them, and whose
// they are, only people know.
func (d *doctor) checkOrphans(ctx context.Context, s *session, b *bucket.Bucket, job *config.Job, title string) []check {
	name := title + "orphan parts"
	v, err := s.vars(ctx, job)
	if err != nil {
		return []check{failure(name, err, "ask again")}
	}
	prefix, err := config.Expand(job.Prefix, v)
	if err != nil {
		return []check{failure(name, err, "correct the job's prefix")}
	}
	lead, _, _ := strings.Cut(prefix, "{") // what depends on the file is not expanded
	list, err := b.Pending(ctx, lead, mostOrphans)
	switch {
	case denied(err):
		return []check{good(name, "not known, for the role may not list them; the job does without, and osssync policy --ls allows it")}
	case err != nil:
		return []check{failure(name, timedOut(ctx, err, permissionPatience), "ask again")}
	}
	ours, err := unfinished(ctx, d.config.StateDir(), state.RootKey{Source: job.Source, Bucket: job.Bucket, Prefix: prefix})
	if err != nil {
		return []check{warning(name, asAgentFix,
			"%d unfinished uploads below %s; which of them are this agent's is not known: %v", len(list), lead, oneLine(err))}
	}
	others := upload.Strangers(list, ours)
	if len(others) == 0 {
		return []check{good(name, "none below %s; %d unfinished uploads are this agent's", lead, len(list))}
	}
	oldest := others[0]
	for _, p := range others {
		if p.Began.Before(oldest.Began) {
			oldest = p
		}
	}
	return []check{warning(name, orphansFix, "%d unfinished uploads of others below %s%s, the oldest that of %s, begun %s",
		len(others), lead, weigh(ctx, b, others), oldest.Key, oldest.Began.UTC().Format(time.RFC3339))}
}

// weigh returns how much the uploads hold, in words, where that takes few
// requests.
func weigh(ctx context.Context, b *bucket.Bucket, list []upload.Pending) string {
	if len(list) > mostWeighed {
		return ""
	}
	var bytes uint64
	for _, p := range list {
		parts, err := b.Parts(ctx, p.Key, p.ID)
		if err != nil {
			return ""
		}
		for _, part := range parts {
			bytes += uint64(part.Size)
		}
	}
	return " with " + humanize.IBytes(bytes) + " of parts"
}

// unfinished returns the uploads that the index remembers of a job.
func unfinished(ctx context.Context, dir string, key state.RootKey) ([]state.PathUpload, error) {
	r, err := state.OpenReader(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer r.Close()
	root, err := r.Root(ctx, key)
	if err != nil || root == nil {
		return nil, err
	}
	return root.Unfinished(ctx)
}
