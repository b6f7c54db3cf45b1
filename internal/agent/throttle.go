package agent

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// throttle keeps the limiter at what the timetable says until ctx is done.
func (a *Agent) throttle(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		a.setRate(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Agent) setRate(now time.Time) {
	limit := rate.Inf
	if n := a.config().Agent.Bandwidth.Limit(now); n > 0 {
		limit = rate.Limit(n)
	}
	if a.opt.Limiter.Limit() != limit {
		a.opt.Limiter.SetLimit(limit)
	}
}
