package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

// checkLease tells whether another instance writes below the job's prefix. Where
// the prefix is this instance's alone there is nothing to tell.
func (d *doctor) checkLease(ctx context.Context, s *session, job *config.Job, title string) []check {
	if !config.Shareable(job.Prefix) {
		return nil
	}
	name := title + "other agents"
	v, err := s.vars(ctx, job)
	if err != nil {
		return []check{failure(name, err, "ask again")}
	}
	prefix, err := config.Expand(job.Prefix, v)
	if err != nil {
		return []check{failure(name, err, "correct the job's prefix")}
	}
	lease, err := s.guards().ExamineLease(ctx, job, prefix, d.config.StateDir())
	rival, isRival := errors.AsType[*agent.RivalError](err)
	switch {
	case isRival:
		return []check{warning(name, rival.Hint(), "%v", rival)}
	case denied(err) && job.Deletes == "keep":
		return []check{good(name, "not known, for the role may not read %s; this job does without", config.LeaseKey(prefix))}
	case errors.Is(err, fs.ErrPermission):
		return []check{failure(name, err, asAgentFix)}
	case err != nil:
		return []check{requestFailure(ctx, name, err)}
	case lease == nil:
		return []check{good(name, "none; no agent has written below this prefix yet")}
	}
	return []check{good(name, "none; instance %s renewed its lease at %s", lease.InstanceID, lease.Renewed.Format(time.RFC3339))}
}
