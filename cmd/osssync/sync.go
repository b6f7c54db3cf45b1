package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

const syncLong = `Make one pass over the jobs named, or all of them: scan, upload what differs,
exit. Shows a progress bar on a terminal and a line for each file in a pipe.
With --dry-run it prints the plan instead, each action with its reason, then the
totals, and changes nothing. Deletions that are held are listed with why.`

// A syncCommand makes one pass over the jobs.
type syncCommand struct {
	app    *app
	dryRun bool
	json   bool
}

func (a *app) syncCommand() *cobra.Command {
	c := &syncCommand{app: a}
	cmd := &cobra.Command{
		Use:   "sync [JOB…] [--dry-run] [--json]",
		Short: a.tr("Make one pass: scan, upload what differs, exit"),
		Long:  a.tr(syncLong),
		Args:  cobra.ArbitraryArgs,
		RunE:  func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, a.tr("print what would be done and why, and change nothing"))
	cmd.Flags().BoolVar(&c.json, "json", false, a.tr("print one JSON object per line"))
	return cmd
}

func (c *syncCommand) run(ctx context.Context, names []string) error {
	conf, err := c.app.load(false)
	if err != nil {
		return err
	}
	jobs, err := pickJobs(conf, "sync", names)
	if err != nil {
		return err
	}
	s := newSession(conf, c.app.quietLogger(conf))
	if !c.dryRun {
		if s, err = agentSession(conf, c.app.quietLogger(conf)); err != nil {
			return err
		}
	}
	out := newSyncOutput(c.app, c.json, c.dryRun)
	s.sent = out.bar.done
	opt := s.agentOptions(ctx, jobs)
	opt.Report = out.event
	opt.Grace = func(time.Duration) time.Duration { return interruptGrace }
	ag := agent.New(opt)
	pass := ag.Sync
	if c.dryRun {
		pass = ag.Plan
	}
	unchanged, err := pass(ctx)
	out.finish(unchanged, s.requests(), err != nil)
	return c.outcome(ctx, out, err)
}

// outcome turns what happened into the error that has the right exit code: an
// error of the pass itself, else what failed, else what was held back.
func (c *syncCommand) outcome(ctx context.Context, out *syncOutput, err error) error {
	t := out.totals
	good := t.Uploaded + t.Copied + t.Deleted + t.Skipped
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && good > 0 && !c.dryRun:
		return &commandError{exitPartial, err, hint(err)}
	case err != nil:
		return err
	case t.Failed > 0 && good == 0:
		return fmt.Errorf("sync: no file was uploaded, %d failed: %w", t.Failed, out.firstErr)
	case t.Failed > 0:
		return &commandError{exitPartial, fmt.Errorf("sync: %d of %d files failed: %w", t.Failed, t.Failed+good, out.firstErr), hint(out.firstErr)}
	case out.held != nil:
		return &commandError{exitPaused, fmt.Errorf("sync: %w", out.held), heldHint}
	}
	return nil
}

// heldHint is for a pass whose deletions are held. Only the agent takes an
// approval.
const heldHint = "nothing was deleted: look at the source; if it is meant, start the agent and: osssync approve JOB"

// pickJobs returns the jobs of these names, all of them for none. op is the
// command, for its error.
func pickJobs(c *config.Config, op string, names []string) ([]*config.Job, error) {
	if len(c.Jobs) == 0 {
		return nil, noJobs()
	}
	if len(names) == 0 {
		return jobPointers(c), nil
	}
	var jobs []*config.Job
	var errs []error
	for _, name := range names {
		j := c.Job(name)
		switch {
		case j == nil:
			errs = append(errs, fmt.Errorf("%s %s: no such job; there are: %s", op, name, strings.Join(jobNames(c), ", ")))
		case !slices.Contains(jobs, j):
			jobs = append(jobs, j)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, &commandError{code: exitUsage, err: err}
	}
	return jobs, nil
}

func jobNames(c *config.Config) []string {
	var names []string
	for _, j := range c.Jobs {
		names = append(names, j.Name)
	}
	return names
}
