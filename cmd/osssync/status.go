package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
)

// watchPause is how long --watch waits between two looks.
const watchPause = time.Second

const statusLong = `Show what the running agent is doing: for each job its state, what is pending and
since when, what failed, why, and when it is tried again. It succeeds whenever
the agent answers, also if jobs are in trouble; --json tells more.
With --watch it looks again every second, until Ctrl-C.`

// A statusCommand shows what the agent is doing.
type statusCommand struct {
	app   *app
	json  bool
	watch bool
}

func (a *app) statusCommand() *cobra.Command {
	c := &statusCommand{app: a}
	cmd := &cobra.Command{
		Use:               "status [JOB] [--json] [--watch]",
		Short:             a.tr("Show what the running agent is doing"),
		Long:              a.tr(statusLong),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeOneJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			job := ""
			if len(args) > 0 {
				job = args[0]
			}
			client := a.agentClient()
			return c.run(cmd.Context(), func(ctx context.Context) (agent.Status, error) {
				st, err := client.Status(ctx, job)
				return st, agentError("status", err)
			})
		},
	}
	cmd.Flags().BoolVar(&c.json, "json", false, a.tr("print JSON"))
	cmd.Flags().BoolVar(&c.watch, "watch", false, a.tr("look again every second, until Ctrl-C"))
	return cmd
}

func (c *statusCommand) run(ctx context.Context, look func(context.Context) (agent.Status, error)) error {
	st, err := look(ctx)
	switch {
	case ctx.Err() != nil && c.watch:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case !c.watch:
		return c.print(st, nil)
	}
	return c.follow(ctx, st, look)
}

// print writes one status, with paces if they are measured.
func (c *statusCommand) print(st agent.Status, measured map[string]pace) error {
	if c.json {
		return json.NewEncoder(c.app.stdout).Encode(st)
	}
	view := statusView{c.app.tr, time.Now(), measured}
	_, err := c.app.stdout.Write(c.app.canvas(c.app.stdout).block(view.lines(st)))
	return err
}

// follow shows the status, and again every second until ctx is done, which is
// no failure. While no agent answers it says so and goes on trying.
func (c *statusCommand) follow(ctx context.Context, st agent.Status, look func(context.Context) (agent.Status, error)) error {
	if c.redraws() {
		fmt.Fprint(c.app.stdout, "\x1b[?25l\x1b[H\x1b[2J") // without a cursor, from an empty page
		defer fmt.Fprint(c.app.stdout, "\x1b[?25h\r\n")
	}
	measured, at := map[string]pace{}, time.Now()
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	var lost error
	for {
		if err := c.show(st, measured, lost); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		next, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			lost = c.lose(lost, err)
			continue
		}
		now := time.Now()
		measured = paces(st, next, now.Sub(at))
		st, at, lost = next, now, nil
	}
}

// lose says that the agent does not answer any more, once.
func (c *statusCommand) lose(before, err error) error {
	if before == nil && !c.redraws() {
		fmt.Fprintf(c.app.stderr, "osssync: %s; %s\n", printable(err.Error()), c.app.tr("trying again every second"))
	}
	return err
}

func (c *statusCommand) redraws() bool {
	return !c.json && c.app.canvas(c.app.stdout).escapes
}

// show draws a status over the last one on a terminal, and elsewhere prints it
// below. lost is why there is no newer one.
func (c *statusCommand) show(st agent.Status, measured map[string]pace, lost error) error {
	if !c.redraws() {
		if lost != nil {
			return nil
		}
		if err := c.print(st, measured); err != nil || c.json {
			return err
		}
		_, err := fmt.Fprintln(c.app.stdout)
		return err
	}
	view := statusView{c.app.tr, time.Now(), measured}
	lines := view.lines(st)
	if lost != nil {
		lines = append([]line{{{lost.Error() + "; " + c.app.tr("trying again every second"), red}}, {}}, lines...)
	}
	frame := c.app.canvas(c.app.stdout).frame(lines, func(n int) string { return fmt.Sprintf(c.app.tr("… %d more lines"), n) })
	_, err := bytes.NewReader(frame).WriteTo(c.app.stdout)
	return err
}
