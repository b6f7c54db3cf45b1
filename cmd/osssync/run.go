package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

// interruptGrace is how long uploads may go on after Ctrl-C, at which people
// expect their prompt back.
const interruptGrace = 500 * time.Millisecond

const runLong = `The agent itself: scan the source of each job, watch it, and upload what
differs, until stopped. On SIGTERM no new upload is begun and those under way
get stop_grace to end; what they leave is done at the next start.`

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
	s, err := agentSession(c, a.logger(c))
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "osssync starts", "version", version, "jobs", len(s.config.Jobs))
	ag := agent.New(s.agentOptions(ctx, jobPointers(s.config)))
	web, err := s.listen(ctx, ag)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	// The credential outlives the signal, for the uploads under way need it.
	credsCtx, endCreds := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return s.creds.Run(credsCtx) })
	g.Go(func() error { return web.run(credsCtx) })
	g.Go(func() error {
		defer endCreds()
		return ag.Run(gctx)
	})
	err = g.Wait()
	s.log.InfoContext(ctx, "osssync ends", "err", err)
	return err
}

// agentOptions returns what an agent needs to run these jobs.
func (s *session) agentOptions(ctx context.Context, jobs []*config.Job) agent.Options {
	return agent.Options{
		Config:      s.config,
		Jobs:        jobs,
		Vars:        s.vars,
		Bucket:      s.uploadBucket,
		Limiter:     s.pace,
		Termination: s.creds.TerminationTime,
		Grace: func() time.Duration {
			if errors.Is(context.Cause(ctx), errInterrupted) {
				return interruptGrace
			}
			return time.Duration(s.config.Agent.StopGrace)
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
