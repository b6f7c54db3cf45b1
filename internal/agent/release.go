package agent

import (
	"context"
	"time"
)

// releaseEvery is the time between looks at whether the instance is to be taken
// away: a spot instance is told some five minutes ahead.
const releaseEvery = time.Minute

// watchRelease waits for the notice that the instance will be taken away, and
// then makes every job send what it has, oldest first. It returns after that or
// when ctx is done.
func (a *Agent) watchRelease(ctx context.Context) {
	if a.opt.Termination == nil {
		return
	}
	tick := time.NewTicker(releaseEvery)
	defer tick.Stop()
	for {
		at, set, err := a.opt.Termination(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // as while the metadata service is down, of which others tell
			a.log.DebugContext(ctx, "release of the instance not looked at", "err", err)
		case set:
			a.log.WarnContext(ctx, "instance will be released", "at", at, "wait", time.Until(at))
			a.roster.hurry()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
