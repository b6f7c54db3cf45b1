package agent

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

const (
	// tidyEvery is how often orphaned uploads are looked for while a job runs.
	tidyEvery = 24 * time.Hour

	// strangersAfter is when after the start of a job the bucket is asked for
	// unfinished uploads of others, which is nothing that a job needs.
	strangersAfter = 10 * time.Minute

	// mostStrangers is how many unfinished uploads are counted.
	mostStrangers = 10_000
)

// tidying looks after orphaned uploads of a job until it is told to end.
func (a *Agent) tidying(ctx context.Context, p *pipeline, l *line) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { a.keepTidy(ctx, p, l) })
	return func() {
		cancel()
		wg.Wait()
	}
}

func (a *Agent) keepTidy(ctx context.Context, p *pipeline, l *line) {
	a.tidy(ctx, p, l)
	told := 0
	for wait := strangersAfter; ; wait = tidyEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if wait == tidyEvery {
			a.tidy(ctx, p, l)
		}
		told = a.tellStrangers(ctx, l, told)
	}
}

// tidy aborts what the job's own unfinished uploads left.
func (a *Agent) tidy(ctx context.Context, p *pipeline, l *line) {
	taken := func(path string, size int64) bool {
		taken, _ := l.filter.MatchFile(path, size)
		return taken
	}
	if err := p.uploader.Tidy(ctx, l.target, taken); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "unfinished uploads not aborted, will try again", "job", l.job.Name, "wait", tidyEvery, "err", err)
	}
}

// tidyAll is tidy for all jobs of one pass, which waits for it.
func (a *Agent) tidyAll(ctx context.Context, p *pipeline, lines []*line) {
	var wg sync.WaitGroup
	for _, l := range lines {
		if l.target.Index != nil { // nil where nothing is to be changed
			wg.Go(func() { a.tidy(ctx, p, l) })
		}
	}
	wg.Wait()
}

// tellStrangers logs how many unfinished uploads below the job's prefix are not
// the job's, unless that was told already. A role that may not list them is no
// news: doctor says so.
func (a *Agent) tellStrangers(ctx context.Context, l *line, told int) int {
	prefix, _, _ := strings.Cut(l.prefix, "{") // what depends on the file is not expanded
	list, err := l.target.Bucket.Pending(ctx, prefix, mostStrangers)
	if err != nil {
		return told
	}
	ours, err := l.target.Index.Uploads().All(ctx)
	if err != nil {
		return told
	}
	others := upload.Strangers(list, ours)
	if len(others) > 0 && len(others) != told {
		a.log.InfoContext(ctx, "unfinished uploads of others are below the prefix; osssync doctor tells more",
			"job", l.job.Name, "prefix", prefix, "parts", len(others))
	}
	return len(others)
}
