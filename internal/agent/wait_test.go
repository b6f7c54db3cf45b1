package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/internal/watch"
)

// watchLine has a line watch an empty directory until the test ends.
func watchLine(t *testing.T, l *line) {
	t.Helper()
	dir := t.TempDir()
	tree, err := upload.OpenTree(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	opened, err := tree.Identity()
	if err != nil {
		t.Fatal(err)
	}
	l.watcher = watch.New(dir, &sink{
		lane: l.lane, opened: opened, report: func(plan.Event) {}, log: slog.New(slog.DiscardHandler),
		scanned: func(context.Context) error { return nil },
	}, watch.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.watcher.Run(ctx) })
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
}

// TestWaitTellsApart waits for two jobs of which one is through and the other
// never will be, with time and without: of each it is told how it is.
func TestWaitTellsApart(t *testing.T) {
	a, c, _ := newControl(t, Options{}, "through", "broken")
	l, _ := a.roster.find("through")
	watchLine(t, l)
	if r, err := c.Wait(t.Context(), []string{"through"}); err != nil || !r.Jobs[0].Done {
		t.Fatalf("wait = %+v, %v", r, err)
	}
	// wait gives a machine that stands still for half a second another chance.
	wait := func(most time.Duration, jobs ...string) (r Receipt, err error) {
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), most)
			r, err = c.Wait(ctx, jobs)
			cancel()
			if len(r.Jobs) == 0 || r.Jobs[0].Done {
				break
			}
		}
		return r, err
	}
	for _, most := range []time.Duration{0, time.Nanosecond, leastWait + 100*time.Millisecond} {
		r, err := wait(most)
		if !errors.Is(err, context.DeadlineExceeded) || len(r.Jobs) != 2 {
			t.Fatalf("a wait of %v = %+v, %v", most, r, err)
		}
		if one := r.Jobs[0]; !one.Done || one.TimedOut || one.Error != "" {
			t.Errorf("a wait of %v tells of the job that is through: %+v", most, one)
		}
		if one := r.Jobs[1]; one.Done || !one.TimedOut || !strings.Contains(one.Error, "no such directory") {
			t.Errorf("a wait of %v tells of the job that does not run: %+v", most, one)
		}
	}
	if r, err := wait(0, "through"); err != nil || !r.Jobs[0].Done {
		t.Errorf("a wait without time for what is through = %+v, %v", r, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := NewClient([]string{testSocket(t)}).Wait(ctx, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a wait without time for no agent: %v", err)
	}
}

// TestSequenceGoesOn ends a job and starts it anew, as a reload does, and also
// takes it out of the configuration meanwhile: its numbers never go back.
func TestSequenceGoesOn(t *testing.T) {
	a, _, _ := newControl(t, Options{}, "one")
	jobs := a.roster.all()
	told := func() uint64 { return a.receipt(t.Context(), jobs).Jobs[0].Sequence }
	q := plan.NewQueue(plan.Options{})
	for i, want := range []uint64{3, 6, 9} {
		l, _ := a.roster.find("one")
		for n := range 3 {
			l.lane.Hint(fmt.Sprint(n), plan.Changed)
		}
		if got := told(); got != want {
			t.Errorf("after %d changes the number is %d", want, got)
		}
		a.roster.remove(l)
		if got := told(); got != want {
			t.Errorf("while the job does not run the number is %d, not %d", got, want)
		}
		l.lane.Hint("late", plan.Changed)
		if got := a.roster.number("one", l, l.lane.Sequence()); got != want {
			t.Errorf("a wait that ends late tells %d, not %d", got, want)
		}
		if i == 1 {
			a.roster.set(nil)
			a.roster.set(jobs)
		}
		next := newLine(q, "one")
		next.watcher = watch.New(t.TempDir(), nil, watch.Options{})
		a.roster.add(next)
		if got := told(); got != want {
			t.Errorf("when the job starts anew the number is %d, not %d", got, want)
		}
	}
}
