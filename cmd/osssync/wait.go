package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

const waitLong = `Wait until every change made before this call is verified in OSS, of the jobs named
or of all, then print a receipt. What failed is listed; so is what is left when
the time is up. While the agent works, a line on a terminal says what is pending.`

// A waitCommand waits for the changes made before it.
type waitCommand struct {
	app     *app
	timeout string
	json    bool
}

func (a *app) waitCommand() *cobra.Command {
	c := &waitCommand{app: a}
	cmd := &cobra.Command{
		Use:               "wait [JOB…] [--timeout D] [--json]",
		Short:             a.tr("Wait until every change made so far is verified in OSS"),
		Long:              a.tr(waitLong),
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeJobs,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&c.timeout, "timeout", "", a.tr("give up after this long, such as 90s, 1h30m or 2d; 0 only asks; by default never"))
	cmd.Flags().BoolVar(&c.json, "json", false, a.tr("print JSON"))
	return cmd
}

func (c *waitCommand) run(ctx context.Context, names []string) error {
	waitCtx := ctx
	if c.timeout != "" {
		d, err := config.ParseDuration(c.timeout)
		if err != nil {
			return usageErrorf("--timeout %s: %w", c.timeout, err)
		}
		var cancel context.CancelFunc
		waitCtx, cancel = context.WithTimeout(ctx, time.Duration(d))
		defer cancel()
	}
	client := c.app.agentClient()
	begun := time.Now()
	hide := c.showPending(waitCtx, client, names)
	receipt, err := client.Wait(waitCtx, names)
	hide()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return agentError("wait", err)
	}
	r := total(receipt, time.Since(begun))
	r.TimedOut = err != nil // what is left is told below
	if err := c.print(r); err != nil {
		return err
	}
	return c.outcome(r)
}

// A receipt is what wait --json prints.
type receipt struct {
	Done        bool               `json:"done"` // every change made before the call is verified
	TimedOut    bool               `json:"timed_out"`
	Files       int64              `json:"files"` // in the index, of all jobs waited for
	Bytes       int64              `json:"bytes"`
	FailedFiles int64              `json:"failed_files"`
	Seconds     float64            `json:"seconds"`
	Jobs        []agent.JobReceipt `json:"jobs"`
}

// total adds up the jobs' receipts.
func total(of agent.Receipt, took time.Duration) receipt {
	r := receipt{Done: len(of.Jobs) > 0, Seconds: took.Seconds(), Jobs: of.Jobs}
	if r.Jobs == nil {
		r.Jobs = []agent.JobReceipt{}
	}
	for i, j := range of.Jobs {
		r.Done = r.Done && settled(j)
		r.Files += j.Files
		r.Bytes += j.Bytes
		r.FailedFiles += max(j.FailedFiles, int64(len(j.Failed)))
		if j.Failed == nil {
			r.Jobs[i].Failed = []agent.FailureStatus{}
		}
	}
	return r
}

// settled reports whether all of a job is in OSS as it should be.
func settled(j agent.JobReceipt) bool {
	return j.Done && j.Error == "" && j.Paused == "" && j.Held == 0 && j.FailedFiles == 0 && len(j.Failed) == 0
}

func (c *waitCommand) print(r receipt) error {
	if c.json {
		return json.NewEncoder(c.app.stdout).Encode(r)
	}
	for _, l := range c.lines(r) {
		if _, err := fmt.Fprintln(c.app.stdout, printable(l)); err != nil {
			return err
		}
	}
	return nil
}

// lines are the receipt for people: a line for each job, and one for all.
func (c *waitCommand) lines(r receipt) []string {
	tr := c.app.tr
	var all []string
	for _, j := range r.Jobs {
		l := fmt.Sprintf(tr("%s: %s (%s) in OSS, sequence %d"), j.Job, files(tr, j.Files), size(j.Bytes), j.Sequence)
		if j.LastKey != "" {
			l += fmt.Sprintf(tr(", last key %s"), j.LastKey)
		}
		all = append(all, l)
	}
	switch {
	case r.Done:
		all = append(all, fmt.Sprintf(tr("done: all that was changed before is verified in OSS; %s (%s), waited %.1f s"),
			files(tr, r.Files), size(r.Bytes), r.Seconds))
	case len(r.Jobs) > 0:
		all = append(all, fmt.Sprintf(tr("not all done: %s (%s), waited %.1f s"), files(tr, r.Files), size(r.Bytes), r.Seconds))
	}
	return all
}

// english is the language of errors.
func english(s string) string { return s }

func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

// outcome says what is not done, on standard error, and returns the error of
// the right exit code: time up comes before failures, those before a pause.
func (c *waitCommand) outcome(r receipt) error {
	c.listFailures(r)
	var left, broken, paused []string
	good, hint := 0, waitHint(r.Jobs)
	for _, j := range r.Jobs {
		switch {
		case j.Error != "":
			broken = append(broken, "job "+j.Job+": "+printable(j.Error))
		case j.Paused != "" && plan.SourceLost(j.Paused):
			paused = append(paused, "job "+j.Job+": "+printable(j.Paused))
		case j.Held > 0:
			paused = append(paused, fmt.Sprintf("job %s holds %d deletions", j.Job, j.Held))
		case j.Paused != "":
			paused = append(paused, "job "+j.Job+": "+printable(j.Paused))
		case !j.Done && j.Pending == 0:
			left = append(left, "job "+j.Job+": still looking for what was changed")
		case !j.Done:
			left = append(left, fmt.Sprintf("job %s: %s pending", j.Job, files(english, j.Pending)))
		default:
			good++
		}
	}
	switch {
	case r.TimedOut:
		return &commandError{exitTimedOut, errors.New(strings.Join(append([]string{"wait: timed out"}, append(left, append(broken, paused...)...)...), "; ")), cmp.Or(hint, "osssync status shows what each job is doing")}
	case len(broken) > 0 && good == 0:
		return &commandError{exitFailed, errors.New("wait: " + strings.Join(broken, "; ")), hint}
	case len(broken) > 0:
		return &commandError{exitPartial, errors.New("wait: " + strings.Join(broken, "; ")), hint}
	case r.FailedFiles > 0:
		return &commandError{exitPartial, fmt.Errorf("wait: %s failed", files(english, r.FailedFiles)), "osssync why FILE tells the story of one"}
	case len(paused) > 0:
		return &commandError{exitPaused, errors.New("wait: " + strings.Join(paused, "; ")), hint}
	case len(left) > 0:
		return &commandError{exitFailed, errors.New("wait: " + strings.Join(left, "; ")), ""}
	}
	return nil
}

// waitHint returns the way out for the first of the jobs that is held up, "" if
// none is.
func waitHint(jobs []agent.JobReceipt) string {
	for _, j := range jobs {
		switch {
		case plan.SourceLost(j.Error + j.Paused):
			return agent.SourceHint
		case j.Held > 0:
			return approveHint
		case j.Paused != "":
			return "osssync resume JOB ends a pause by hand; osssync approve JOB accepts a changed source"
		}
	}
	return ""
}

func (c *waitCommand) listFailures(r receipt) {
	shown := int64(0)
	for _, j := range r.Jobs {
		for _, f := range j.Failed {
			if shown < maxFailLines {
				fmt.Fprintf(c.app.stderr, "osssync: %s %s: %s\n", j.Job, printable(f.Path), printable(f.Error))
				shown++
			}
		}
	}
	if more := r.FailedFiles - shown; more > 0 {
		fmt.Fprintf(c.app.stderr, "osssync: and %d more failed; --json shows more\n", more)
	}
}

// showPending says on standard error which job is in trouble, once for each
// trouble, and keeps a line there, if that is a terminal, that says how much is
// pending. The function it returns takes the line away.
func (c *waitCommand) showPending(ctx context.Context, client *agent.Client, names []string) (hide func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		said := map[string]bool{}
		for {
			select {
			case <-ctx.Done():
				c.redraw("")
				return
			case <-time.After(watchPause / 2):
			}
			st, err := client.Status(ctx, "")
			if err != nil {
				continue // Wait says what is wrong
			}
			st.Jobs = slices.DeleteFunc(st.Jobs, func(j agent.JobStatus) bool {
				return len(names) > 0 && !slices.Contains(names, j.Name)
			})
			for _, j := range st.Jobs {
				if l := "job " + j.Name + ": " + j.Reason; j.State == plan.Failing && !said[l] {
					said[l] = true
					c.redraw("")
					fmt.Fprintf(c.app.stderr, "osssync: wait: %s; %s\n", printable(l), c.app.tr("waiting for it"))
				}
			}
			c.redraw(pendingLine(c.app.tr, st))
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// redraw writes over the line on standard error, if that is a terminal.
func (c *waitCommand) redraw(text string) {
	if on := c.app.canvas(c.app.stderr); on.escapes {
		fmt.Fprintf(c.app.stderr, "\r%s\x1b[K", on.single(line{{text, ""}}))
	}
}

// pendingLine says how much is pending.
func pendingLine(tr func(string) string, st agent.Status) string {
	var pending, bytes, flight, failed int64
	for _, j := range st.Jobs {
		pending += j.Pending
		bytes += j.PendingBytes
		flight += int64(j.InFlight)
		failed += j.FailedFiles
	}
	l := fmt.Sprintf(tr("waiting: %s pending, %d in flight"), amount(pending, bytes), flight)
	if failed > 0 {
		l += fmt.Sprintf(tr(", %d failed"), failed)
	}
	return l
}
