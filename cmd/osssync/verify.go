package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

const verifyLong = `Compare the index with the bucket and with the disk, for the jobs named or all of
them. Nothing is downloaded: sizes and ETags come from listings, and an object
whose ETag does not settle it is asked for its CRC-64. No file is read: sizes and
times tell whether one has changed. Prints a line for each difference:
  missing   the object is not in the bucket
  differs   the object is not the one that was sent
  pending   the file has changed since and is yet to be sent
  gone      the file is not there any more
  unread    nothing can be told of the file
Objects that the index knows nothing of are counted, and listed with --json.
With --repair what is missing or differs is sent again: by the agent if it runs,
which is waited for, else in a pass like sync. The exit code is 3 if something
differs and is left so.
The role needs oss:ListObjects below the prefixes and oss:GetObject for the
CRC-64s; osssync policy --verify prints the policy.`

const yetToSendHint = "the agent goes on trying, and verify shows them until it is done; osssync why FILE tells the story of one"

const repairHint = "osssync verify --repair sends again what is missing or differs in the bucket"

// A verifyCommand compares the index with the bucket and the disk.
type verifyCommand struct {
	app    *app
	repair bool
	json   bool
}

func (a *app) verifyCommand() *cobra.Command {
	c := &verifyCommand{app: a}
	cmd := &cobra.Command{
		Use:               "verify [JOB…] [--repair] [--json]",
		Short:             a.tr("Compare the index with the bucket and the disk"),
		Long:              a.tr(verifyLong),
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeJobs,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVar(&c.repair, "repair", false, a.tr("send again what is missing or differs in the bucket"))
	cmd.Flags().BoolVar(&c.json, "json", false, a.tr("print one JSON object per line"))
	return cmd
}

func (c *verifyCommand) run(ctx context.Context, names []string) error {
	conf, err := c.app.load(false)
	if err != nil {
		return err
	}
	jobs, err := pickJobs(conf, "verify", names)
	if err != nil {
		return err
	}
	out := newVerifyOutput(c.app, c.json)
	how := agent.VerifyOptions{Report: out.difference, Progress: out.progress}
	if err := c.prepare(ctx, conf, &how); err != nil {
		return err
	}
	s := newSession(conf, c.app.quietLogger(conf))
	if how.Resend {
		if s, err = agentSession(conf, c.app.quietLogger(conf)); err != nil {
			return err
		}
	}
	opt := s.agentOptions(ctx, jobs)
	opt.Report = out.event
	opt.Grace = func(time.Duration) time.Duration { return interruptGrace }
	sum, err := agent.New(opt).Verify(ctx, how)
	out.finish(sum, s.requests())
	return c.outcome(ctx, out, how, sum, err)
}

// prepare finds out whether an agent is at work, and who is to send files again:
// the agent, or this process where none runs.
func (c *verifyCommand) prepare(ctx context.Context, conf *config.Config, how *agent.VerifyOptions) error {
	client := agent.NewClient(config.Sockets(conf.StateDir()))
	_, err := client.Status(ctx, "")
	how.Beside = !errors.Is(err, agent.ErrNotRunning)
	switch {
	case !c.repair:
	case err == nil:
		how.Recheck, how.Await = client.Recheck, awaitRepair(client)
	case errors.Is(err, agent.ErrNotRunning):
		how.Resend = true
	default:
		return agentError("verify", err)
	}
	return nil
}

// outcome turns what was found, and done about it, into the error that has the
// right exit code.
func (c *verifyCommand) outcome(ctx context.Context, out *verifyOutput, how agent.VerifyOptions, sum agent.Verified, err error) error {
	left, good := sum, sum.Resent
	if how.Resend {
		good = sum.Repaired            // what could not be sent is told by itself
		left.Pending, left.Gone = 0, 0 // the pass has seen to them
	}
	if c.repair {
		left.Missing, left.Differ = 0, max(0, sum.Missing+sum.Differ-good)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case out.failed > 0:
		return &commandError{exitPartial, fmt.Errorf("verify: %d files could not be sent: %w", out.failed, shown(out.firstErr)), hint(out.firstErr)}
	case out.held != nil:
		return &commandError{exitPaused, fmt.Errorf("verify: %w", shown(out.held)), heldHint}
	case left.Equal():
		return nil
	case how.Recheck != nil && sum.Resent < sum.Repaired:
		return yetToSend(sum)
	}
	h := ""
	if left.Missing+left.Differ > 0 && !c.repair {
		h = repairHint
	}
	n := left.Missing + left.Differ + left.Pending + left.Gone + left.Unread
	return &commandError{exitPartial, fmt.Errorf("verify: %d differences in %d files", n, sum.Files), h}
}

// repairLook is how often verify looks whether the agent gets any further.
const repairLook = 5 * time.Second

// awaitRepair returns what waits until the agent has sent what a job was given,
// or is in no state to.
func awaitRepair(client *agent.Client) func(ctx context.Context, job string) (agent.JobReceipt, error) {
	return func(ctx context.Context, job string) (agent.JobReceipt, error) {
		for {
			look, cancel := context.WithTimeout(ctx, repairLook)
			r, err := client.Wait(look, []string{job})
			cancel()
			switch {
			case ctx.Err() != nil:
				return agent.JobReceipt{}, ctx.Err()
			case err != nil && !errors.Is(err, context.DeadlineExceeded):
				return agent.JobReceipt{}, agentError("verify", err)
			case len(r.Jobs) != 1:
				return agent.JobReceipt{Error: "the agent does not tell how it is"}, nil
			case r.Jobs[0].Error != "" || !r.Jobs[0].TimedOut:
				return r.Jobs[0], nil
			}
		}
	}
}

// yetToSend says that the agent has not made good all that it was given.
func yetToSend(sum agent.Verified) error {
	err := fmt.Errorf("verify: %d of %d files are yet to be sent again", sum.Repaired-sum.Resent, sum.Repaired)
	if len(sum.Unsent) > 0 {
		err = fmt.Errorf("%w: %s", err, printable(strings.Join(sum.Unsent, "; ")))
	}
	return &commandError{exitPartial, err, yetToSendHint}
}
