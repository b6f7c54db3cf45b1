package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/config"
)

// A stage lets jobs try to start, and fail, as a test wants it.
type stage struct {
	mu    sync.Mutex
	tries []string                 // jobs, as they tried
	hold  map[string]chan struct{} // what each waits for before it fails
}

func (s *stage) vars(_ context.Context, job *config.Job) (config.Vars, error) {
	s.mu.Lock()
	s.tries = append(s.tries, job.Name)
	wait := s.hold[job.Name]
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return config.Vars{}, errors.New("not today")
}

func (s *stage) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tries
	s.tries = nil
	slices.Sort(t)
	return t
}

// manage runs a manager until the test ends, and returns what orders other jobs.
func manage(t *testing.T, s *stage, jobs ...*config.Job) (*Agent, func(...*config.Job) Reloaded) {
	t.Helper()
	c := config.Default()
	a := New(Options{Config: &c, Jobs: jobs, Vars: s.vars})
	ctx, cancel := context.WithCancel(t.Context())
	m := &manager{agent: a, running: map[string]*runner{}}
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.run(ctx) })
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
	return a, func(jobs ...*config.Job) Reloaded {
		reply := make(chan Reloaded, 1)
		a.orders <- order{jobs, reply}
		return <-reply
	}
}

func TestManagerCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		job := func(name, prefix string) *config.Job {
			return &config.Job{Name: name, Source: "/" + name, Prefix: prefix, Tags: map[string]string{"a": "b"}}
		}
		a, apply := manage(t, s, job("a", ""), job("b", ""), job("c", ""))
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b", "c"}, s.take()); diff != "" {
			t.Errorf("started (-want +got):\n%s", diff)
		}
		got := apply(job("d", ""), job("c", "new"), job("a", ""))
		want := Reloaded{[]string{"d"}, []string{"c"}, []string{"b"}, []string{"a"}, []string{}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reload (-want +got):\n%s", diff)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"c", "d"}, s.take()); diff != "" {
			t.Errorf("started (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"d", "c", "a"}, names(a.roster.all())); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
		a.roster.retry("a")
		synctest.Wait()
		if diff := cmp.Diff([]string{"a"}, s.take()); diff != "" {
			t.Errorf("after a retry (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour)
		if all := s.take(); slices.Contains(all, "b") || !slices.Contains(all, "a") {
			t.Errorf("in the next hour %v tried", all)
		}
	})
}

// TestManagerKeepsJobsApart renames a job twice while the first is still busy:
// neither of the others may touch the source before.
func TestManagerKeepsJobsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		s := &stage{hold: map[string]chan struct{}{"first": busy}}
		job := func(name string) *config.Job { return &config.Job{Name: name, Source: "/same"} }
		_, apply := manage(t, s, job("first"))
		synctest.Wait()
		s.take()
		apply(job("second"), &config.Job{Name: "other", Source: "/other", Bucket: "other"})
		apply(job("third"), &config.Job{Name: "other", Source: "/other", Bucket: "other"})
		synctest.Wait()
		if diff := cmp.Diff([]string{"other"}, s.take()); diff != "" {
			t.Errorf("while the first is busy (-want +got):\n%s", diff)
		}
		close(busy)
		synctest.Wait()
		if diff := cmp.Diff([]string{"third"}, s.take()); diff != "" {
			t.Errorf("then (-want +got):\n%s", diff)
		}
	})
}

// TestManagerKeepsPlacesApart replaces a job by others while it is still busy:
// none may begin before its end that could write one of its objects.
func TestManagerKeepsPlacesApart(t *testing.T) {
	old := config.Job{Name: "old", Source: "/old", Bucket: "b", Prefix: "p/{date:2006}/", Deletes: "trash", TrashPrefix: "bin/"}
	for _, tt := range []struct {
		name  string
		job   config.Job
		waits bool
	}{
		{"same prefix", config.Job{Bucket: "b", Prefix: "p/{date:2006}/"}, true},
		{"a prefix above", config.Job{Bucket: "b"}, true},
		{"a prefix below", config.Job{Bucket: "b", Prefix: "p/2026/"}, true},
		{"a placeholder that could be anything", config.Job{Bucket: "b", Prefix: "{job}/"}, true},
		{"its trash", config.Job{Bucket: "b", Prefix: "bin/"}, true},
		{"the trash of the other", config.Job{Bucket: "b", Prefix: "q/", Deletes: "trash", TrashPrefix: "p/"}, true},
		{"no trash of the other", config.Job{Bucket: "b", Prefix: "q/", Deletes: "keep", TrashPrefix: "p/"}, false},
		{"another prefix", config.Job{Bucket: "b", Prefix: "pq/"}, false},
		{"another bucket", config.Job{Bucket: "c", Prefix: "p/{date:2006}/"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				busy := make(chan struct{})
				s := &stage{hold: map[string]chan struct{}{"old": busy}}
				_, apply := manage(t, s, &old)
				synctest.Wait()
				s.take()
				tt.job.Name, tt.job.Source = "new", "/new"
				apply(&tt.job)
				synctest.Wait()
				if got := s.take(); len(got) == 0 != tt.waits {
					t.Errorf("started while the other is busy: %v", got)
				}
				close(busy)
				synctest.Wait()
				if got := s.take(); len(got) != 0 != tt.waits {
					t.Errorf("started at the end of the other: %v", got)
				}
			})
		})
	}
}
