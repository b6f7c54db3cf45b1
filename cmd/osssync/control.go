package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/plan"
)

const (
	retryLong = `Make the jobs named, or all of them, try at once what has failed, without
waiting for its time.`
	rescanLong = `Make the jobs named, or all of them, look through their whole source now. What is
unchanged is not sent again.`
	pauseLong = `Begin no more uploads for the jobs named, or for all of them, until osssync
resume, or until the agent ends. Changes are still noticed; uploads under way
go on to their end.`
	approveLong = `Let a job do the deletions that it holds: because they are more than max_deletes,
or because its source is another directory, is empty or could not be read whole.
Look at the source first: what is deleted in OSS by this stays deleted.`
	reloadLong = `Make the agent read its configuration anew. Jobs that did not change are not
disturbed. A configuration with mistakes changes nothing; they are printed.`
)

// agentCommands are the commands that tell the running agent something.
func (a *app) agentCommands() []*cobra.Command {
	return []*cobra.Command{
		a.tellCommand("retry", "Try at once what has failed", retryLong, "retrying: %s", (*agent.Client).Retry),
		a.tellCommand("rescan", "Look through the whole source now", rescanLong, "scanning: %s", (*agent.Client).Rescan),
		a.tellCommand("pause", "Begin no more uploads until resume", pauseLong, "paused: %s", (*agent.Client).Pause),
		a.tellCommand("resume", "End a pause", "", "resumed: %s", (*agent.Client).Resume),
		a.approveCommand(),
		a.reloadCommand(),
	}
}

// tellCommand returns a command that tells some jobs or all, and prints those
// that were told.
func (a *app) tellCommand(name, short, long, said string, tell func(*agent.Client, context.Context, []string) ([]string, error)) *cobra.Command {
	return &cobra.Command{
		Use:               name + " [JOB…]",
		Short:             a.tr(short),
		Long:              a.tr(long),
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			jobs, err := tell(a.agentClient(), cmd.Context(), args)
			if err != nil {
				return agentError(name, err)
			}
			_, err = fmt.Fprintf(a.stdout, a.tr(said)+"\n", printable(strings.Join(jobs, ", ")))
			return err
		},
	}
}

func (a *app) approveCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "approve JOB",
		Short:             a.tr("Let a job do the deletions that it holds"),
		Long:              a.tr(approveLong),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOneJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.agentClient().Approve(cmd.Context(), args[0])
			if errors.Is(err, plan.ErrNothingHeld) {
				return &commandError{exitFailed, fmt.Errorf("approve %s: %w", printable(args[0]), plan.ErrNothingHeld), "osssync status shows what each job is doing"}
			}
			if err != nil {
				return agentError("approve", err)
			}
			_, err = fmt.Fprintf(a.stdout, a.tr("approved: %s")+"\n", printable(args[0]))
			return err
		},
	}
}

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: a.tr("Make the agent read its configuration anew"),
		Long:  a.tr(reloadLong),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := a.looseClient().Reload(cmd.Context())
			if errors.Is(err, agent.ErrNotRunning) {
				// It may be that the file does not tell where to look.
				if _, bad := a.load(false); bad != nil {
					a.warnOf(bad)
				}
			}
			if err != nil {
				return agentError("reload", err)
			}
			return a.printReloaded(done)
		},
	}
}

func (a *app) printReloaded(r agent.Reloaded) error {
	var b strings.Builder
	for _, part := range []struct {
		what  string
		names []string
	}{
		{"started", r.Started}, {"restarted", r.Restarted}, {"stopped", r.Stopped}, {"not disturbed", r.Unchanged},
	} {
		if len(part.names) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", a.tr(part.what), printable(strings.Join(part.names, ", ")))
		}
	}
	if len(r.NeedRestart) > 0 {
		fmt.Fprintf(&b, a.tr("changed, but counts only when the agent is restarted: %s")+"\n", strings.Join(r.NeedRestart, ", "))
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}
