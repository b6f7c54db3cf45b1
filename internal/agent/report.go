package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
)

// reporter returns what logs the outcomes of attempts before it passes them
// on. Of failures it logs at most ten in ten seconds for each job, so that an
// outage does not fill the disk whose files cannot be sent.
func (a *Agent) reporter() func(plan.Event) {
	r := &reporter{log: a.log, limits: map[string]*rate.Limiter{}}
	return func(e plan.Event) {
		r.write(e)
		a.opt.Report(e)
	}
}

type reporter struct {
	log *slog.Logger

	mu      sync.Mutex
	limits  map[string]*rate.Limiter // by job
	dropped map[string]int           // failures not logged since the last that was
}

func (r *reporter) write(e plan.Event) {
	ctx := context.Background()
	if e.Err == nil {
		if e.Action != upload.Skip {
			r.log.LogAttrs(ctx, slog.LevelInfo, done[e.Action],
				slog.String("job", e.Job), slog.String("path", e.Path), slog.String("key", e.Key), slog.Int64("bytes", e.Bytes))
		}
		return
	}
	skipped, ok := r.allow(e.Job)
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("job", e.Job), slog.String("path", e.Path), slog.Int("try", e.Try),
		slog.Any("err", e.Err),
	}
	if e.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", e.RequestID))
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int("more", skipped))
	}
	switch {
	case e.Path == "":
		r.log.LogAttrs(ctx, slog.LevelError, "job held up", attrs...)
		return
	case e.Final:
		r.log.LogAttrs(ctx, slog.LevelError, "not uploaded", attrs...)
		return
	}
	r.log.LogAttrs(ctx, slog.LevelWarn, "not uploaded, will retry", append(attrs, slog.Duration("wait", e.Wait))...)
}

// done are the messages about what was done.
var done = map[upload.Action]string{
	upload.Upload: "uploaded",
	upload.Touch:  "unchanged by content",
	upload.Copy:   "copied",
	upload.Delete: "deleted",
	upload.Trash:  "moved to trash",
	upload.Forget: "forgotten",
}

// allow says whether a failure of the job may be logged now, and how many were
// not since the last one that was.
func (r *reporter) allow(job string) (dropped int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.limits[job]
	if l == nil {
		l = rate.NewLimiter(rate.Every(time.Second), 10)
		r.limits[job] = l
	}
	if !l.Allow() {
		if r.dropped == nil {
			r.dropped = map[string]int{}
		}
		r.dropped[job]++
		return 0, false
	}
	dropped = r.dropped[job]
	delete(r.dropped, job)
	return dropped, true
}
