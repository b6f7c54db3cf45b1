package agent

import (
	"context"
	"time"
)

const (
	snapshotEvery = 24 * time.Hour
	settleLook    = 30 * time.Second // between looks whether the first uploads are through
	settleMost    = time.Hour        // that the first snapshot waits for them
)

// keepSnapshots has the index copied for the day when it is damaged: once all
// jobs were scanned and what that found is sent, and daily from then on.
func (a *Agent) keepSnapshots(ctx context.Context, ix index) {
	db, ok := ix.(writable)
	if !ok {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-a.roster.whole:
	case <-time.After(snapshotEvery): // some job does not start
	}
	for waited := time.Duration(0); waited < settleMost && a.backlog(ctx) && sleep(ctx, settleLook); {
		waited += settleLook
	}
	for ctx.Err() == nil {
		if err := db.Snapshot(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "no snapshot of the index", "wait", snapshotEvery, "err", err)
		}
		sleep(ctx, snapshotEvery)
	}
}

// backlog says whether there are files yet to be sent.
func (a *Agent) backlog(ctx context.Context) bool {
	for _, j := range a.Jobs(ctx) {
		if j.Pending > 0 {
			return true
		}
	}
	return false
}

// sleep waits, and says whether ctx is not done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
