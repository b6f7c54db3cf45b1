package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

// told is the answer to what changes jobs.
type told struct {
	Jobs []string `json:"jobs"`
}

// rechecked is the answer to a recheck.
type rechecked struct {
	Files int `json:"files"`
}

// What an agent that is stopping is doing can be asked to the end, so the
// context of the request alone counts.
func (c *control) status(_ context.Context, jobs []*config.Job, r *http.Request) (any, error) {
	return c.agent.status(r.Context(), jobs), nil
}

func (c *control) wait(ctx context.Context, jobs []*config.Job, r *http.Request) (any, error) {
	most := noLimit
	if text := r.Form.Get("most"); text != "" {
		var err error
		if most, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("wait: most: %w", err)
		}
	}
	return c.agent.wait(ctx, jobs, most)
}

func (c *control) receipt(_ context.Context, jobs []*config.Job, r *http.Request) (any, error) {
	return c.agent.receipt(r.Context(), jobs), nil
}

func (c *control) why(_ context.Context, _ []*config.Job, r *http.Request) (any, error) {
	path := r.Form.Get("path")
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("why %s: the path must be absolute", path)
	}
	return c.agent.why(r.Context(), path)
}

func (c *control) rescan(ctx context.Context, jobs []*config.Job, _ *http.Request) (any, error) {
	return c.each(ctx, "told to scan", jobs, func(job string) {
		if l, _ := c.agent.roster.find(job); l != nil {
			l.watcher.Rescan()
		} else {
			c.agent.roster.retry(job) // it scans when it starts
		}
	})
}

func (c *control) pause(ctx context.Context, jobs []*config.Job, _ *http.Request) (any, error) {
	return c.each(ctx, "told to pause", jobs, func(job string) { c.agent.roster.pause(job, true) })
}

func (c *control) resume(ctx context.Context, jobs []*config.Job, _ *http.Request) (any, error) {
	return c.each(ctx, "told to resume", jobs, func(job string) { c.agent.roster.pause(job, false) })
}

func (c *control) retry(ctx context.Context, jobs []*config.Job, _ *http.Request) (any, error) {
	return c.each(ctx, "told to try again", jobs, c.agent.roster.retry)
}

// each tells the jobs something, and the log who wanted it.
func (c *control) each(ctx context.Context, msg string, jobs []*config.Job, tell func(job string)) (any, error) {
	t := told{Jobs: []string{}}
	for _, job := range jobs {
		tell(job.Name)
		t.Jobs = append(t.Jobs, job.Name)
	}
	c.note(ctx, msg, strings.Join(t.Jobs, ", "))
	return t, nil
}

// note logs who asked for a change.
func (c *control) note(ctx context.Context, msg, job string) {
	who, _ := ctx.Value(callerKey{}).(caller)
	c.agent.log.InfoContext(ctx, msg, "job", job, "user", who.user, "pid", who.pid)
}

func (c *control) approve(ctx context.Context, _ []*config.Job, r *http.Request) (any, error) {
	l, err := c.one(r, "approve")
	if err != nil {
		return nil, err
	}
	c.note(ctx, "told to do the deletions that are held", l.job.Name)
	err = l.lane.Approve(context.WithoutCancel(ctx))
	switch {
	case errors.Is(err, plan.ErrNothingHeld):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("approve %s: %w", l.job.Name, err)
	}
	return told{[]string{l.job.Name}}, nil
}

func (c *control) reload(ctx context.Context, _ []*config.Job, _ *http.Request) (any, error) {
	c.note(ctx, "told to reload", "")
	return c.agent.Reload(ctx)
}

func (c *control) recheck(ctx context.Context, _ []*config.Job, r *http.Request) (any, error) {
	l, err := c.one(r, "recheck")
	if err != nil {
		return nil, err
	}
	c.note(ctx, "told to send files again", l.job.Name)
	// To the end, even if the client goes: what is distrusted must be looked at.
	n, err := l.recheck(context.WithoutCancel(ctx), r.Form["path"])
	if err != nil {
		return nil, fmt.Errorf("recheck %s: %w", l.job.Name, err)
	}
	return rechecked{n}, nil
}

// one returns the line of the one job that a request is about.
func (c *control) one(r *http.Request, verb string) (*line, error) {
	named := r.Form["job"]
	if len(named) != 1 {
		return nil, fmt.Errorf("%s: name one job", verb)
	}
	l, fault := c.agent.roster.find(named[0])
	if l == nil {
		return nil, fmt.Errorf("%s %s: %s", verb, named[0], notRunning(fault))
	}
	return l, nil
}

// recheck has the index distrust what it holds of these files, and has them
// looked at. A path may be absolute. It returns how many they were.
func (l *line) recheck(ctx context.Context, paths []string) (int, error) {
	var rels []string
	for _, path := range paths {
		if filepath.IsAbs(path) {
			rel, ok := below(l.job.Source, path)
			if !ok {
				return 0, fmt.Errorf("path %s is not in %s", path, l.job.Source)
			}
			path = rel
		}
		rels = append(rels, path)
	}
	if err := distrust(ctx, l.root, rels); err != nil {
		return 0, err
	}
	for _, rel := range rels {
		l.lane.Hint(rel, plan.Moved)
	}
	return len(rels), nil
}
