package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	if jobs, err := c.Pause(within(t), nil); err != nil || len(jobs) != 1 || jobs[0] != "docs" {
		t.Fatalf("pause: %v, %v", jobs, err)
	}
	d.waitLog("told to pause")
	write(t, filepath.Join(source, "late"), "text")
	waitFor(t, "the change to be seen", func() bool { return statusOf(t, c, "docs").Pending == 1 })
	r, err := c.Wait(within(t), nil)
	if err != nil || r.Jobs[0].Done || r.Jobs[0].Paused != "paused by hand" || r.Jobs[0].Pending != 1 {
		t.Errorf("wait for a paused job: %+v, %v", r, err)
	}
	if st := statusOf(t, c, "docs"); st.State != plan.Paused {
		t.Errorf("state = %s", st.State)
	}
	if have, err := b.Objects(); err != nil || len(have) != 0 {
		t.Errorf("a paused job has sent %v, %v", have, err)
	}
	if _, err := c.Resume(within(t), []string{"docs"}); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after resume and wait %s", diff)
	}
	if _, err := c.Pause(within(t), []string{"docs", "nobody"}); err == nil {
		t.Error("pause of an unknown job: no error")
	} else if st := statusOf(t, c, "docs"); st.State != plan.Watching {
		t.Errorf("a pause that was refused left the state %s", st.State)
	}
}

// TestWaitEnds has a file that cannot be sent, and ends the wait for it in each
// way: by the client, by a pause and by the end of the agent.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	b.OSS.Faults().Add(oss.Fault{Status: 503, Code: "ServiceUnavailable"})
	write(t, filepath.Join(source, "file"), "text")
	waitFor(t, "a failure", func() bool { return statusOf(t, c, "docs").FailedFiles == 1 })

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := c.Wait(ctx, nil)
	if !errors.Is(err, context.DeadlineExceeded) || len(r.Jobs) != 1 || r.Jobs[0].Done || r.Jobs[0].FailedFiles != 1 || r.Jobs[0].Pending != 1 {
		t.Errorf("a wait that was ended: %+v, %v", r, err)
	}

	type result struct {
		r   agent.Receipt
		err error
	}
	waiting := func() chan result {
		out := make(chan result, 1)
		go func() {
			r, err := c.Wait(within(t), nil)
			out <- result{r, err}
		}()
		return out
	}
	out := waiting()
	if _, err := c.Pause(within(t), nil); err != nil {
		t.Fatal(err)
	}
	if got := <-out; got.err != nil || got.r.Jobs[0].Paused == "" {
		t.Errorf("a wait during which the job was paused: %+v", got)
	}
	if _, err := c.Resume(within(t), nil); err != nil {
		t.Fatal(err)
	}
	out = waiting()
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := <-out; !errors.Is(got.err, agent.ErrNotRunning) {
		t.Errorf("a wait during which the agent ended: %+v", got)
	}
	if _, err := os.Lstat(socketOf(b)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is there after the end: %v", err)
	}
	if _, err := c.Status(within(t), ""); !errors.Is(err, agent.ErrNotRunning) {
		t.Errorf("status without an agent: %v", err)
	}
}

func TestRetryAndRescan(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	c := start(t, config).control(b)
	settle(t, c)
	scans := statusOf(t, c, "docs").Watch.Scans
	if jobs, err := c.Rescan(within(t), nil); err != nil || len(jobs) != 1 {
		t.Fatalf("rescan: %v, %v", jobs, err)
	}
	waitFor(t, "a scan", func() bool { return statusOf(t, c, "docs").Watch.Scans == scans+1 })

	b.OSS.Faults().Add(oss.Fault{Key: "file", Status: 400, Code: "InvalidArgument"})
	write(t, filepath.Join(source, "file"), "text")
	if r := settle(t, c); r.Jobs[0].FailedFiles != 1 {
		t.Errorf("receipt = %+v", r)
	}
	b.OSS.Faults().Clear()
	if jobs, err := c.Retry(within(t), []string{"docs"}); err != nil || len(jobs) != 1 {
		t.Fatalf("retry: %v, %v", jobs, err)
	}
	if r := settle(t, c); r.Jobs[0].FailedFiles != 0 || r.Jobs[0].LastKey != "file" {
		t.Errorf("receipt after a retry = %+v", r)
	}
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after a retry %s", diff)
	}
}

// TestRetryStartsAJob has one whose source was missing begin at once.
func TestRetryStartsAJob(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	d := start(t, config)
	c := d.control(b)
	d.waitLog("job not running")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r, err := c.Wait(ctx, nil); err == nil || len(r.Jobs) != 1 || !strings.Contains(r.Jobs[0].Error, source) {
		t.Errorf("wait for a job without a source: %+v, %v", r, err)
	}
	write(t, filepath.Join(source, "file"), "text")
	if _, err := c.Retry(within(t), nil); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after a wait %s", diff)
	}
}

func TestApprove(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		files, kept int
		why         string
	}{
		{"an emptied root", 3, 0, "empty"},
		{"1,001 deletions", 1003, 2, "1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := box.Start(t, box.Options{})
			config, source := configure(t, b, box.Job{"deletes": "mirror"}, map[string]map[string]any{"agent": {"listen": "127.0.0.1:0"}})
			for i := range tt.files {
				write(t, filepath.Join(source, fmt.Sprint(i)), "text")
			}
			d := start(t, config)
			c := d.control(b)
			settle(t, c)
			if err := c.Approve(within(t), "docs"); !errors.Is(err, plan.ErrNothingHeld) {
				t.Errorf("approve of nothing: %v", err)
			}
			for i := tt.kept; i < tt.files; i++ {
				if err := os.Remove(filepath.Join(source, fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			r, err := c.Wait(within(t), nil)
			if err != nil || r.Jobs[0].Held != int64(tt.files-tt.kept) || !strings.Contains(r.Jobs[0].Paused, tt.why) {
				t.Fatalf("wait with held deletions: %+v, %v", r, err)
			}
			if have, err := b.Objects(); err != nil || len(have) != tt.files {
				t.Fatalf("%d objects before approve, %v", len(have), err)
			}
			saysHeld(t, d, tt.why, tt.files-tt.kept)
			if err := c.Approve(within(t), "docs"); err != nil {
				t.Fatalf("approve: %v", err)
			}
			waitFor(t, "the deletions", func() bool {
				have, err := b.Objects()
				return err == nil && len(have) == tt.kept
			})
			waitFor(t, "the end of the pause", func() bool { return statusOf(t, c, "docs").State == plan.Watching })
		})
	}
}

// saysHeld wants the log, the status and the metrics to tell that deletions are
// held.
func saysHeld(t *testing.T, d *daemon, why string, n int) {
	t.Helper()
	waitFor(t, "the log to say why", func() bool {
		for line := range strings.SplitSeq(d.log.String(), "\n") {
			if strings.Contains(line, "deletions held") && strings.Contains(line, why) {
				return true
			}
		}
		return false
	})
	_, metrics := ask(t, d.url()+"metrics")
	for _, want := range []string{
		`osssync_job_state{job="docs",state="paused"} 1`,
		fmt.Sprintf(`osssync_job_held_deletions{job="docs"} %d`, n),
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	out, err := exec.Command(bin, "-c", d.cmd.Args[2], "status").Output()
	if err != nil || !strings.Contains(string(out), "paused") || !strings.Contains(string(out), why) || !strings.Contains(string(out), "osssync approve docs") {
		t.Errorf("status: %v\n%s", err, out)
	}
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	for _, name := range []string{"a", "d/b", "d/c"} {
		write(t, filepath.Join(source, name), "text")
	}
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	before := statusOf(t, c, "docs").Uploaded
	for _, key := range []string{"a", "d/b"} { // d/c is in order, and is to be left so
		if err := b.Remove(key); err != nil {
			t.Fatal(err)
		}
	}
	n, err := c.Recheck(within(t), "docs", []string{"a", filepath.Join(source, "d/b"), "d/c"})
	if err != nil || n != 3 {
		t.Fatalf("recheck: %d, %v", n, err)
	}
	settle(t, c)
	if n := statusOf(t, c, "docs").Uploaded - before; n != 2 {
		t.Errorf("%d files sent again, want 2", n)
	}
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after a recheck %s", diff)
	}
	if _, err := c.Recheck(within(t), "docs", []string{"/etc/passwd"}); err == nil {
		t.Error("recheck of a file elsewhere: no error")
	}
}
