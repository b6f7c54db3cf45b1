package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/config"
)

// errNoReload is the answer of an agent that was not told how to reload.
var errNoReload = errors.New("reload: this agent has no configuration to read anew")

func newReloaded() Reloaded {
	return Reloaded{Started: []string{}, Restarted: []string{}, Stopped: []string{}, Unchanged: []string{}, NeedRestart: []string{}}
}

// Reload reads the configuration anew and runs the jobs that it names then.
// Those of which nothing changed are left alone; one that changed or is there
// no more ends what is under way first, and keeps its part of the index. What
// counts only after a restart is named. An error means that nothing changed;
// both are logged. Run must be running.
func (a *Agent) Reload(ctx context.Context) (Reloaded, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.opt.Reload == nil {
		return Reloaded{}, errNoReload
	}
	next, jobs, err := a.opt.Reload()
	if err != nil {
		a.log.ErrorContext(ctx, "configuration not reloaded, all goes on as before", "err", err)
		return Reloaded{}, err
	}
	reply := make(chan Reloaded, 1)
	before := a.config()
	needs := a.adopt(next)
	select {
	case a.orders <- order{jobs, reply}:
	case <-ctx.Done():
		a.use(before)
		return Reloaded{}, fmt.Errorf("reload: %w", ctx.Err())
	}
	r := <-reply
	r.NeedRestart = needs
	a.log.InfoContext(ctx, "configuration reloaded",
		"started", len(r.Started), "restarted", len(r.Restarted), "stopped", len(r.Stopped), "unchanged", len(r.Unchanged))
	if len(needs) > 0 {
		a.log.WarnContext(ctx, "part of the configuration counts only after a restart",
			"err", errors.New("changed: "+strings.Join(needs, ", ")))
	}
	return r, nil
}

// use makes a configuration the one that counts, also for jobs that run.
func (a *Agent) use(c *config.Config) {
	a.current.Store(c)
	for _, l := range a.roster.lines() {
		l.watcher.SetRescan(time.Duration(c.Agent.Rescan))
	}
}

// adopt takes over from a new configuration what can be changed while the
// agent runs, and returns the keys that are not what they are in it then.
func (a *Agent) adopt(next *config.Config) (needRestart []string) {
	now := *a.config()
	now.Jobs = next.Jobs
	now.OSS.Bucket = next.OSS.Bucket // the jobs have it already
	now.Agent.Bandwidth = next.Agent.Bandwidth
	now.Agent.StopGrace = next.Agent.StopGrace
	now.Agent.Rescan = next.Agent.Rescan
	a.use(&now)

	value := map[string]string{}
	for _, s := range now.Settings() {
		value[s.Section+"."+s.Key] = s.Value
	}
	needRestart = []string{}
	for _, s := range next.Settings() {
		if key := s.Section + "." + s.Key; s.Job == "" && value[key] != s.Value {
			needRestart = append(needRestart, key)
		}
	}
	return needRestart
}
