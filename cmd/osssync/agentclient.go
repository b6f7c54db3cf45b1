package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

// completionTime bounds how long the agent is asked for the names of its jobs
// while somebody waits at a prompt.
const completionTime = 500 * time.Millisecond

// agentClient returns a client of the running agent. It needs the configuration
// only to know the state directory, so one that is missing or broken is no
// obstacle: it warns, and goes by what can be read of it.
func (a *app) agentClient() *agent.Client {
	c, err := a.load(false)
	if err == nil {
		return a.clientOf(c.StateDir())
	}
	path, explicit := config.Find(a.configFile)
	if _, statErr := os.Stat(path); explicit || !errors.Is(statErr, fs.ErrNotExist) {
		a.warnOf(err)
	}
	return a.looseClient()
}

func (a *app) warnOf(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(a.stderr, "osssync: warning: "+printable(line))
	}
}

// clientOf returns a client of the agent with this state directory, or of one that
// was started with the configuration file when that named another.
func (a *app) clientOf(stateDir string) *agent.Client {
	return agent.NewClient(config.Sockets(stateDir)).Elsewhere(a.configPath(), config.AllSockets())
}

// configPath returns the absolute path of the configuration file, "" where that
// cannot be told.
func (a *app) configPath() string {
	path, _ := config.Find(a.configFile)
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	return path
}

// looseClient is agentClient without a look at whether the configuration is
// right.
func (a *app) looseClient() *agent.Client {
	path, _ := config.Find(a.configFile)
	return a.clientOf(config.LooseStateDir(path))
}

// approveHint is the way out of held deletions.
const approveHint = "look at the source; if the deletions are meant: osssync approve JOB"

// agentError gives an error of the agent's client its operation, exit code and
// hint.
func agentError(op string, err error) error {
	if err == nil {
		return nil
	}
	if len(config.Mistakes(err)) > 0 {
		return err // each says where it is
	}
	if _, ok := errors.AsType[*agent.UnknownJobError](err); ok {
		return &commandError{code: exitUsage, err: fmt.Errorf("%s: %w", op, shown(err))}
	}
	said := fmt.Errorf("%s: %w", op, err)
	switch {
	case errors.Is(err, agent.ErrNotRunning):
		return &commandError{exitNotRunning, said, startHint}
	case errors.Is(err, fs.ErrPermission):
		return &commandError{exitFailed, said, socketHint}
	}
	return said
}

// completeJobs offers names of jobs to the shell: those of the running agent,
// else those of the configuration, and none where neither can be had.
func (a *app) completeJobs(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	for _, name := range a.knownJobs(cmd.Context()) {
		if strings.HasPrefix(name, prefix) && !slices.Contains(given, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeOneJob is completeJobs for commands that take one.
func (a *app) completeOneJob(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeJobs(cmd, given, prefix)
}

func (a *app) knownJobs(ctx context.Context) []string {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	st, err := a.looseClient().Status(ctx, "")
	if err == nil {
		var names []string
		for _, j := range st.Jobs {
			names = append(names, j.Name)
		}
		return names
	}
	path, _ := config.Find(a.configFile)
	if c, err := config.Load(path); err == nil {
		return jobNames(c)
	}
	return nil
}
