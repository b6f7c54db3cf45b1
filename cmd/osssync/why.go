package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

const whyLong = `Tell the story of one file: which job it belongs to, whether it is taken and by
which rule, what is on disk, what OSS holds, what it waits for, and what went
wrong. Without a running agent it tells what the configuration and the index do.`

// A whyCommand tells the story of one file.
type whyCommand struct {
	app  *app
	json bool
}

func (a *app) whyCommand() *cobra.Command {
	c := &whyCommand{app: a}
	cmd := &cobra.Command{
		Use:   "why PATH [--json]",
		Short: a.tr("Tell the story of one file"),
		Long:  a.tr(whyLong),
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&c.json, "json", false, a.tr("print JSON"))
	return cmd
}

// A whyAnswer is what why --json prints.
type whyAnswer struct {
	AgentRunning bool   `json:"agent_running"`
	Bucket       string `json:"bucket"`     // "" where the configuration does not tell
	JobState     string `json:"job_state"`  // "" without an agent
	JobReason    string `json:"job_reason"` // why it is in that state, "" if there is nothing to tell
	agent.Explanation
}

func (c *whyCommand) run(ctx context.Context, path string) error {
	if path == "" {
		return usageErrorf("why: the path is empty")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("why %s: %w", printable(path), shown(err))
	}
	e, running, err := c.ask(ctx, abs)
	if err != nil {
		return err
	}
	conf, confErr := c.app.loadQuietly()
	if e.Job == "" {
		return strayError(path, e.Reason, conf)
	}
	answer := whyAnswer{AgentRunning: running, Explanation: e}
	if confErr == nil && conf.Job(e.Job) != nil {
		answer.Bucket = conf.Job(e.Job).Bucket
	}
	if running {
		c.trouble(ctx, &answer)
	}
	if c.json {
		return json.NewEncoder(c.app.stdout).Encode(answer)
	}
	for _, l := range (&storyteller{tr: c.app.tr}).tell(answer) {
		if _, err := fmt.Fprintln(c.app.stdout, printable(l)); err != nil {
			return err
		}
	}
	return nil
}

// trouble notes how the file's job is, for what it waits for is often no
// matter of the file.
func (c *whyCommand) trouble(ctx context.Context, a *whyAnswer) {
	st, err := c.app.looseClient().Status(ctx, a.Job)
	if err != nil || len(st.Jobs) != 1 {
		return // the agent ended since, or removed the job
	}
	a.JobState, a.JobReason = string(st.Jobs[0].State), st.Jobs[0].Reason
}

// ask asks the running agent, or else the configuration and the index.
func (c *whyCommand) ask(ctx context.Context, path string) (e agent.Explanation, running bool, err error) {
	client := c.app.agentClient()
	e, err = askBoth(ctx, path, client.Why)
	if err == nil || !errors.Is(err, agent.ErrNotRunning) && !errors.Is(err, fs.ErrPermission) {
		return e, true, agentError("why", err)
	}
	conf, confErr := c.app.loadQuietly()
	if confErr != nil {
		return e, false, agentError("why", err)
	}
	e, offlineErr := askBoth(ctx, path, newSession(conf, c.app.quietLogger(conf)).explain)
	switch {
	case errors.Is(err, fs.ErrPermission) && errors.Is(offlineErr, fs.ErrPermission):
		return e, false, agentError("why", err) // its hint helps with both
	case offlineErr != nil:
		return e, false, fmt.Errorf("why %s: %w", printable(path), shown(offlineErr))
	}
	return e, false, nil
}

// askBoth asks about a path as it was given and, where no job covers that,
// without the symbolic links in it.
func askBoth(ctx context.Context, path string, ask func(context.Context, string) (agent.Explanation, error)) (agent.Explanation, error) {
	e, err := ask(ctx, path)
	if real := resolved(path); err == nil && e.Job == "" && real != path {
		return ask(ctx, real)
	}
	return e, err
}

// loadQuietly is load for what does without.
func (a *app) loadQuietly() (*config.Config, error) {
	path, _ := config.Find(a.configFile)
	return config.Load(path)
}

// strayError says that a file belongs to no job, and what does.
func strayError(path, reason string, conf *config.Config) error {
	if reason == "" {
		reason = "it is in no job's source"
	}
	hint := ""
	if conf != nil && len(conf.Jobs) > 0 {
		var sources []string
		for _, j := range conf.Jobs {
			sources = append(sources, j.Source+" ("+j.Name+")")
		}
		hint = "the sources are: " + strings.Join(sources, ", ")
	}
	return &commandError{exitFailed, fmt.Errorf("why %s: %s", printable(path), reason), hint}
}

// resolved returns a path without symbolic links in its directories, as far as
// these exist. The last element is left as it is.
func resolved(path string) string {
	dir, rest := filepath.Dir(path), filepath.Base(path)
	for {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return path
		}
		dir, rest = up, filepath.Join(filepath.Base(dir), rest)
	}
}
