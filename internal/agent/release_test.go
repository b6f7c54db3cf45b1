package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// An opened is a source whose files are all there.
type opened struct{}

func (opened) Stat(string) (state.Version, error) { return state.Version{Size: 1}, nil }
func (opened) Identity() (state.Identity, error)  { return state.Identity{Device: 1}, nil }
func (opened) Present() error                     { return nil }

// A buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newLine returns a line of a job whose files must be quiet for ten minutes.
func newLine(q *plan.Queue, name string) *line {
	return &line{
		job: &config.Job{Name: name},
		lane: q.Lane(plan.LaneOptions{
			Target: &upload.Target{Name: name}, Tree: opened{}, Index: nothing{}, Settle: 10 * time.Minute,
		}),
	}
}

// due says how long until the file is looked at.
func due(l *line, path string) time.Duration { return l.lane.Story(path).Next }

func TestReleaseHurriesEveryJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		begun := time.Now()
		notice := begun.Add(150 * time.Second) // between the third look and the fourth
		var looks atomic.Int64
		a := New(Options{
			Termination: func(context.Context) (time.Time, bool, error) {
				if looks.Add(1) == 2 {
					return time.Time{}, false, errors.New("the metadata service is down")
				}
				return notice.Add(5 * time.Minute), !time.Now().Before(notice), nil
			},
			Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		})
		q := plan.NewQueue(plan.Options{})
		first, second := newLine(q, "first"), newLine(q, "second")
		a.roster.add(first)
		a.roster.add(second)
		first.lane.Hint("file", plan.Changed)
		second.lane.Hint("file", plan.Changed)

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan struct{})
		go func() { defer close(done); a.watchRelease(ctx) }()
		time.Sleep(179 * time.Second)
		synctest.Wait()
		if n := looks.Load(); n != 3 || log.String() != "" {
			t.Errorf("%d looks in three minutes, want 3; log %s", n, &log)
		}
		if d := due(first, "file"); d < 7*time.Minute {
			t.Errorf("before the notice the file is due in %v", d)
		}
		time.Sleep(time.Second)
		<-done
		for _, l := range []*line{first, second} {
			if d := due(l, "file"); d != 0 {
				t.Errorf("after the notice the file of job %s is due in %v", l.job.Name, d)
			}
			l.lane.Hint("later", plan.Changed)
			if d := due(l, "later"); d != 0 {
				t.Errorf("a file of job %s that changes after the notice is due in %v", l.job.Name, d)
			}
		}
		third := newLine(q, "third")
		a.roster.add(third)
		third.lane.Hint("file", plan.Changed)
		if d := due(third, "file"); d != 0 {
			t.Errorf("the file of a job that starts after the notice is due in %v", d)
		}
		if n := strings.Count(log.String(), "instance will be released"); n != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("log = %s", &log)
		}
		if at := notice.Add(5 * time.Minute).Format(time.RFC3339); !strings.Contains(log.String(), at) {
			t.Errorf("log = %s, want the time %s in it", &log, at)
		}
	})
}

// TestReleaseIsLookedForOnceAMinute wants no more looks than that, however they
// end and however long they take, and an end with the agent.
func TestReleaseIsLookedForOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		a := New(Options{Termination: func(ctx context.Context) (time.Time, bool, error) {
			switch looks.Add(1) % 3 {
			case 0:
				time.Sleep(5 * time.Second)
				return time.Time{}, false, context.DeadlineExceeded
			case 1:
				return time.Time{}, false, nil
			}
			return time.Time{}, false, errors.New("answered 500")
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); a.watchRelease(ctx) }()
		time.Sleep(24*time.Hour - time.Second)
		synctest.Wait()
		if n := looks.Load(); n != 24*60 {
			t.Errorf("%d looks in a day, want %d", n, 24*60)
		}
		cancel()
		<-done
	})
}

func TestReleaseWithoutTermination(t *testing.T) {
	New(Options{}).watchRelease(t.Context())
}

func TestJobsThatDoNotRun(t *testing.T) {
	a := New(Options{Jobs: []*config.Job{{Name: "new"}, {Name: "broken"}}})
	a.roster.fail("broken", errors.New("no such directory"))
	jobs := a.Jobs(t.Context())
	if len(jobs) != 2 || jobs[0].Name != "new" || jobs[0].State != plan.Scanning || jobs[0].Running {
		t.Errorf("jobs = %+v", jobs)
	}
	if jobs[1].State != plan.Failing || !strings.Contains(jobs[1].Reason, "no such directory") || jobs[1].Failed == nil {
		t.Errorf("broken job = %+v", jobs[1])
	}
}
