package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/service"
)

// interruptGrace is how long uploads may go on after Ctrl-C, at which people
// expect their prompt back.
const interruptGrace = 500 * time.Millisecond

const runLong = `The agent itself: scan the source of each job, watch it, and upload what
differs, until stopped. On SIGTERM no new upload is begun and those under way
get stop_grace to end; what they leave is done at the next start. Away
from a terminal, SIGHUP makes it read its configuration anew, as osssync reload does.`

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: a.tr("Scan, watch and upload until stopped"),
		Long:  a.tr(runLong),
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
}

func (a *app) run(ctx context.Context) error {
	c, err := a.load(false)
	if err != nil {
		return err
	}
	if len(c.Jobs) == 0 {
		return noJobs()
	}
	if err := checkUnit(c); err != nil {
		return err
	}
	s, err := agentSession(c, a.logger(c))
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "osssync starts", "version", version, "jobs", len(s.config.Jobs))
	hangups := a.hangups
	if hangups == nil && !isTerminal(a.stderr) { // where it means that the terminal is gone
		var end func()
		hangups, end = notifyHangup()
		defer end()
	}
	ag := agent.New(a.daemonOptions(ctx, s))
	web, err := s.listen(ctx, ag)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	// The credential outlives the signal, for the uploads under way need it.
	credsCtx, endCreds := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return s.creds.Run(credsCtx) })
	g.Go(func() error { return web.run(credsCtx) })
	systemd := service.NewNotifier(os.Getenv)
	g.Go(func() error { systemd.Run(gctx, s.health(ag)); return nil })
	g.Go(func() error { reloadOn(gctx, hangups, systemd, ag); return nil })
	g.Go(func() error {
		defer endCreds()
		return ag.Run(gctx)
	})
	err = g.Wait()
	s.log.InfoContext(ctx, "osssync ends", "err", err)
	return err
}

// daemonOptions are agentOptions for the agent that runs until it is stopped.
func (a *app) daemonOptions(ctx context.Context, s *session) agent.Options {
	opt := s.agentOptions(ctx, jobPointers(s.config))
	opt.Sockets = config.Sockets(s.config.StateDir())
	opt.ConfigFile = a.configPath()
	opt.About = s.about
	opt.Reload = func() (*config.Config, []*config.Job, error) {
		c, err := a.load(false)
		if err != nil {
			return nil, nil, err
		}
		if len(c.Jobs) == 0 {
			return nil, nil, noJobs()
		}
		return c, jobPointers(c), nil
	}
	return opt
}

// reloadOn makes the agent read its configuration anew at each hangup signal,
// until ctx is done. What comes of it stands in the log.
func reloadOn(ctx context.Context, hangups <-chan os.Signal, systemd *service.Notifier, ag *agent.Agent) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_ = systemd.Reload(func() error { _, err := ag.Reload(ctx); return err })
		}
	}
}

// agentOptions returns what an agent needs to run these jobs.
func (s *session) agentOptions(ctx context.Context, jobs []*config.Job) agent.Options {
	return agent.Options{
		Config:      s.config,
		Jobs:        jobs,
		Vars:        s.vars,
		Bucket:      s.uploadBucket,
		List:        s.objects,
		Limiter:     s.pace,
		Termination: s.creds.TerminationTime,
		Guards:      s.guards(),
		Grace: func(configured time.Duration) time.Duration {
			if errors.Is(context.Cause(ctx), errInterrupted) {
				return interruptGrace
			}
			return configured
		},
		Logger: s.log,
	}
}

func jobPointers(c *config.Config) []*config.Job {
	jobs := make([]*config.Job, len(c.Jobs))
	for i := range c.Jobs {
		jobs[i] = &c.Jobs[i]
	}
	return jobs
}

func noJobs() error {
	return &commandError{
		code: exitConfig,
		err:  errors.New("the configuration has no [[job]]"),
		hint: "add a [[job]] with a name and a source; config.example.toml shows one",
	}
}
