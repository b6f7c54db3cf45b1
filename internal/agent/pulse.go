package agent

import (
	"context"
	"fmt"
	"time"
)

// A pulser is an index that can show that it is alive.
type pulser interface {
	// Pulse returns nil when it has, and ctx.Err() when that took too long.
	Pulse(ctx context.Context) error
}

// Pulse goes once through what every upload passes, and returns nil when each
// stage has answered: the watcher of each job that runs, the queue, and the
// committer of the index. No answer depends on OSS, on the metadata service or
// on how much there is to do; one that does not come means that the process is
// stuck. Before Run has begun its work, and after, there is nothing to ask. The
// error names the stage.
func (a *Agent) Pulse(ctx context.Context) error {
	p := a.pipe.Load()
	if p == nil {
		return nil
	}
	p.queue.Pulse()
	for _, l := range a.roster.lines() {
		if err := l.watcher.Pulse(ctx); err != nil && a.roster.runs(l) {
			return fmt.Errorf("watcher of job %s: %w", l.job.Name, err)
		}
	}
	if ix, ok := p.index.(pulser); ok {
		if err := ix.Pulse(ctx); err != nil {
			return fmt.Errorf("index: %w", err)
		}
	}
	return nil
}

// runs reports whether a job still runs that did.
func (r *roster) runs(l *line) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.posts[l.job.Name]
	return p != nil && p.line == l
}

// Grace returns how long uploads may go on after the agent was told to stop,
// by the configuration as it counts now.
func (a *Agent) Grace() time.Duration {
	return a.opt.Grace(time.Duration(a.config().Agent.StopGrace))
}
