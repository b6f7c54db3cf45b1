package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/watch"
)

// newControl returns a client of an agent that has jobs of these names, all of
// which run but for "broken", and the function that stops the agent.
func newControl(t *testing.T, opt Options, jobs ...string) (*Agent, *Client, context.CancelFunc) {
	t.Helper()
	for _, name := range jobs {
		opt.Jobs = append(opt.Jobs, &config.Job{Name: name, Source: t.TempDir()})
	}
	c := config.Default()
	c.Agent.StateDir = t.TempDir()
	opt.Config, opt.Sockets = &c, []string{testSocket(t)}
	a := New(opt)
	q := plan.NewQueue(plan.Options{})
	for _, name := range jobs {
		if name == "broken" {
			a.roster.fail(name, errors.New("no such directory"))
			continue
		}
		l := newLine(q, name)
		l.watcher = watch.New(t.TempDir(), nil, watch.Options{})
		a.roster.add(l)
	}
	ctx, stop := context.WithCancel(t.Context())
	end := a.startControl(ctx)
	t.Cleanup(end)
	t.Cleanup(stop)
	return a, NewClient(opt.Sockets), stop
}

func TestControl(t *testing.T) {
	var log buffer
	a, c, _ := newControl(t, Options{
		About:  func() Status { return Status{Version: "1.2", PID: 7} },
		Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	}, "one", "two", "broken")
	ctx := t.Context()

	st, err := c.Status(ctx, "")
	if err != nil || st.Version != "1.2" || st.PID != 7 || len(st.Jobs) != 3 || st.Jobs[2].Running || !st.Jobs[0].Running {
		t.Errorf("status = %+v, %v", st, err)
	}
	if st, err = c.Status(ctx, "two"); err != nil || len(st.Jobs) != 1 || st.Jobs[0].Name != "two" {
		t.Errorf("status of one job = %+v, %v", st, err)
	}
	_, err = c.Status(ctx, "three")
	if e, ok := errors.AsType[*UnknownJobError](err); !ok || e.Job != "three" || !slices.Equal(e.Jobs, []string{"one", "two", "broken"}) {
		t.Errorf("status of an unknown job: %v", err)
	}

	if jobs, err := c.Pause(ctx, []string{"two", "two", "broken"}); err != nil || !slices.Equal(jobs, []string{"two", "broken"}) {
		t.Errorf("pause = %v, %v", jobs, err)
	}
	for job, want := range map[string]bool{"one": false, "two": true, "broken": true} {
		if got := a.roster.view(job).paused; got != want {
			t.Errorf("job %s: paused = %v", job, got)
		}
	}
	r, err := c.Wait(ctx, []string{"two", "broken"})
	if err != nil || len(r.Jobs) != 2 || r.Jobs[0].Paused != "paused by hand" || r.Jobs[0].Done || !strings.Contains(r.Jobs[1].Error, "no such directory") {
		t.Errorf("wait for paused jobs = %+v, %v", r, err)
	}
	if jobs, err := c.Resume(ctx, nil); err != nil || len(jobs) != 3 || a.roster.view("two").paused {
		t.Errorf("resume = %v, %v", jobs, err)
	}
	if _, err := c.Retry(ctx, []string{"broken"}); err != nil {
		t.Errorf("retry: %v", err)
	}
	select {
	case <-a.roster.retried("broken"):
	default:
		t.Error("a job that does not run was not told to start")
	}

	if err := c.Approve(ctx, "one"); !errors.Is(err, plan.ErrNothingHeld) || !strings.Contains(err.Error(), "one") {
		t.Errorf("approve of nothing: %v", err)
	}
	if err := c.Approve(ctx, "broken"); err == nil || !strings.Contains(err.Error(), "no such directory") {
		t.Errorf("approve of a job that does not run: %v", err)
	}
	if err := c.Approve(ctx, ""); err == nil {
		t.Error("approve of no job: no error")
	}
	if _, err := c.Reload(ctx); err == nil || err.Error() != errNoReload.Error() {
		t.Errorf("reload: %v", err)
	}
	for _, msg := range []string{"told to pause", "told to resume", "told to try again", "told to reload"} {
		if !strings.Contains(log.String(), msg) {
			t.Errorf("the log does not have %q", msg)
		}
	}
}

// TestControlWaitEnds ends waits for a job that never gets ready.
func TestControlWaitEnds(t *testing.T) {
	a, c, stop := newControl(t, Options{}, "broken")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, err := c.Wait(ctx, nil)
	if !errors.Is(err, context.DeadlineExceeded) || len(r.Jobs) != 1 || r.Jobs[0].Done {
		t.Errorf("a wait without time = %+v, %v", r, err)
	}
	for name, end := range map[string]func(){
		"removal": func() { a.roster.set(nil) },
		"stop":    stop,
	} {
		if name == "stop" {
			a.roster.set([]*config.Job{{Name: "broken"}})
		}
		done := make(chan error, 1)
		go func() {
			_, err := c.Wait(t.Context(), nil)
			done <- err
		}()
		end()
		// Either it waited, or it came too late to.
		if err := <-done; err != nil && !errors.Is(err, ErrNotRunning) {
			if _, ok := errors.AsType[*UnknownJobError](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestControlReload(t *testing.T) {
	var next config.Config
	var fault error
	a, c, _ := newControl(t, Options{
		Reload: func() (*config.Config, []*config.Job, error) {
			return &next, []*config.Job{{Name: "new"}}, fault
		},
	}, "old")
	next = *a.config()
	fault = errors.Join(
		&config.Error{File: "a.toml", Line: 3, Column: 7, Key: "job.settle", Err: errors.New("no duration")},
		&config.Error{File: "b.toml", Err: errors.New("gone"), Hint: "put it back"})
	_, err := c.Reload(t.Context())
	if got := config.Mistakes(err); len(got) != 2 || got[0].Error() != "a.toml:3:7: job.settle: no duration" || got[1].Hint != "put it back" {
		t.Errorf("reload of bad files: %v", err)
	}

	fault = nil
	next.Agent.Listen, next.OSS.Region, next.Credentials.Role = "127.0.0.1:1", "cn-elsewhere", "other"
	next.Agent.StopGrace *= 2
	next.Agent.Rescan *= 2
	next.OSS.Bucket = "other" // the jobs have it
	go func() {               // in place of the manager
		o := <-a.orders
		r := newReloaded()
		r.Started = names(o.jobs)
		o.reply <- r
	}()
	got, err := c.Reload(t.Context())
	want := newReloaded()
	want.Started, want.NeedRestart = []string{"new"}, []string{"oss.region", "credentials.role", "agent.listen"}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("reload = %+v, %v", got, err)
	}
	if now := a.config(); now.Agent.StopGrace != next.Agent.StopGrace || now.Agent.Rescan != next.Agent.Rescan || now.OSS.Region == next.OSS.Region {
		t.Errorf("configuration after reload: %+v", now)
	}
}

func TestClientWithoutAgent(t *testing.T) {
	c := NewClient([]string{testSocket(t), testSocket(t)})
	if _, err := c.Status(t.Context(), ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("status: %v", err)
	}
	if _, err := c.Wait(t.Context(), nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("wait: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Pause(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("pause without time: %v", err)
	}
}

// TestClientFindsItsAgent has two agents listen at the socket that both prefer
// and at their own, and a client for each.
func TestClientFindsItsAgent(t *testing.T) {
	shared := testSocket(t)
	var clients []*Client
	for i := range 2 {
		c := config.Default()
		c.Agent.StateDir = t.TempDir()
		sockets := []string{shared, testSocket(t)}
		a := New(Options{Config: &c, Sockets: sockets, About: func() Status { return Status{PID: i} }})
		end := a.startControl(t.Context())
		defer end()
		clients = append(clients, NewClient(sockets))
	}
	for i, c := range clients {
		if st, err := c.Status(t.Context(), ""); err != nil || st.PID != i {
			t.Errorf("client %d reached agent %d, %v", i, st.PID, err)
		}
	}
	_, err := NewClient([]string{shared, testSocket(t)}).Status(t.Context(), "")
	if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), shared) {
		t.Errorf("a client of a third agent: %v", err)
	}
}

// TestClientFindsAnAgentElsewhere has agents of two state directories that were
// started with one configuration file, and a client that knows where only one of
// them is. That one comes first; the other is found where all can be.
func TestClientFindsAnAgentElsewhere(t *testing.T) {
	const file = "/etc/空 %/osssync.toml"
	shared, mine := testSocket(t), testSocket(t)
	listen := func(pid int, sockets ...string) (end func()) {
		a := New(Options{Sockets: sockets, ConfigFile: file, About: func() Status { return Status{PID: pid} }})
		return a.startControl(t.Context())
	}
	defer listen(1, shared, testSocket(t))()
	end := listen(2, mine)
	var tests []func() (int, error)
	ask := func(c *Client) func() (int, error) {
		return func() (int, error) {
			st, err := c.Status(t.Context(), "")
			return st.PID, err
		}
	}
	tests = append(tests,
		ask(NewClient([]string{shared, mine}).Elsewhere(file, nil)),
		ask(NewClient([]string{mine}).Elsewhere(file, []string{shared})))
	for i, test := range tests {
		if pid, err := test(); pid != 2 || err != nil {
			t.Errorf("client %d reached agent %d, %v; want its own", i, pid, err)
		}
	}
	end()
	for i, test := range tests {
		if pid, err := test(); pid != 1 || err != nil {
			t.Errorf("client %d reached agent %d, %v; want the one of its file", i, pid, err)
		}
	}
	for _, c := range []*Client{
		NewClient([]string{shared, mine}),
		NewClient([]string{mine}).Elsewhere("/etc/other.toml", []string{shared}),
	} {
		_, err := c.Status(t.Context(), "")
		if want := "no socket at " + mine; !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), want) {
			t.Errorf("a client of another file: %v, want %q", err, want)
		}
		if want := "the one at " + shared + " has another state directory"; !strings.Contains(err.Error(), want) {
			t.Errorf("a client of another file: %v, want %q", err, want)
		}
	}
}

// TestRecheckInPieces wants long lists of paths sent whole, in several requests
// each of which the server would take.
func TestRecheckInPieces(t *testing.T) {
	socket := testSocket(t)
	ln, err := listenSocket(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	requests := 0
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			reply(w, http.StatusBadRequest, problem{Error: err.Error()})
			return
		}
		mu.Lock()
		defer mu.Unlock()
		requests++
		got = append(got, r.Form["path"]...)
		reply(w, http.StatusOK, rechecked{len(r.Form["path"])})
	})}
	defer srv.Close()
	go srv.Serve(ln)
	var want []string
	for i := range 3000 {
		want = append(want, fmt.Sprint(strings.Repeat("空 &\xff", 50), i))
	}
	n, err := NewClient([]string{socket}).Recheck(t.Context(), "docs", want)
	if err != nil || n != len(want) || !slices.Equal(got, want) {
		t.Errorf("recheck = %d of %d, %v", n, len(want), err)
	}
	if requests < 2 {
		t.Errorf("%d requests", requests)
	}
}

// TestManyClients asks and tells from many sides at once.
func TestManyClients(t *testing.T) {
	_, c, _ := newControl(t, Options{}, "one", "two")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				_, err := c.Pause(t.Context(), []string{"one"})
				st, serr := c.Status(t.Context(), "")
				_, rerr := c.Resume(t.Context(), nil)
				if err := errors.Join(err, serr, rerr); err != nil || len(st.Jobs) != 2 {
					t.Errorf("%+v, %v", st, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestListenAny(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	first, second := testSocket(t), testSocket(t)
	a, err := listenAny(t.Context(), []string{first, second}, log)
	if err != nil || a.Addr().String() != first {
		t.Fatalf("listenAny = %v, %v", a, err)
	}
	defer a.Close()
	b, err := listenAny(t.Context(), []string{first, second}, log)
	if err != nil || b.Addr().String() != second {
		t.Fatalf("listenAny while the first is taken = %v, %v", b, err)
	}
	defer b.Close()
	if c, err := listenAny(t.Context(), []string{first, second}, log); err == nil {
		c.Close()
		t.Error("a third agent shares a socket")
	} else if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a third agent: %v", err)
	}
}

// names returns the names of jobs.
func names(jobs []*config.Job) []string {
	var all []string
	for _, j := range jobs {
		all = append(all, j.Name)
	}
	return all
}
