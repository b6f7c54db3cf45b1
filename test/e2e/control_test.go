package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// stateDir is where an agent of the box keeps its index and its socket.
func stateDir(b *box.Box) string { return filepath.Join(b.Dir, "state") }

func socketOf(b *box.Box) string { return filepath.Join(stateDir(b), "osssync.sock") }

// control returns a client of the agent of the box, when that listens.
func (d *daemon) control(b *box.Box) *agent.Client {
	d.t.Helper()
	d.waitLog("control socket is open")
	return agent.NewClient(config.Sockets(stateDir(b)))
}

// within returns a context that no test needs to the end.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// settle waits for all jobs, or those named, and wants them done.
func settle(t *testing.T, c *agent.Client, jobs ...string) agent.Receipt {
	t.Helper()
	r, err := c.Wait(within(t), jobs)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	for _, j := range r.Jobs {
		if !j.Done || j.Paused != "" || j.Error != "" {
			t.Fatalf("wait: %+v", j)
		}
	}
	return r
}

func statusOf(t *testing.T, c *agent.Client, job string) agent.JobStatus {
	t.Helper()
	st, err := c.Status(within(t), job)
	if err != nil || len(st.Jobs) != 1 {
		t.Fatalf("status of %s: %+v, %v", job, st, err)
	}
	return st.Jobs[0]
}

// raw asks the socket as anybody could, with curl.
func raw(t *testing.T, socket, method, target string) (int, string) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	tr := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://osssync"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestControlStatus(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "a"), "four")
	d := start(t, config)
	c := d.control(b)
	settle(t, c)

	code, body := raw(t, socketOf(b), "GET", "/status")
	var st agent.Status
	if err := json.Unmarshal([]byte(body), &st); err != nil || code != 200 {
		t.Fatalf("status: %d %s: %v", code, body, err)
	}
	if st.PID != d.cmd.Process.Pid || st.Version == "" || st.Started.IsZero() || st.Credentials.Role != b.ECS.Role() {
		t.Errorf("status = %s", body)
	}
	if len(st.Jobs) != 1 || st.Jobs[0].Indexed != 1 || st.Jobs[0].State != plan.Watching || !strings.Contains(body, `"failed":[]`) {
		t.Errorf("jobs = %s", body)
	}
	g, _ := b.Authority.Current(b.ECS.Role())
	if g.SecurityToken == "" || strings.Contains(body, g.SecurityToken) || strings.Contains(body, g.AccessKeySecret) {
		t.Error("a secret is in the status, or the test knows none")
	}
	for _, tt := range []struct {
		method, target, want string
		code                 int
	}{
		{"GET", "/status?job=nobody", `"jobs":["docs"]`, 404},
		{"GET", "/rescan", "", 405},
		{"POST", "/status", "", 405},
		{"GET", "/nothing", "", 404},
		{"GET", "/why?path=relative", `"error":"why relative: the path must be absolute"`, 500},
		{"GET", "/receipt", `"last_key":"a"`, 200},
	} {
		if code, body := raw(t, socketOf(b), tt.method, tt.target); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s = %d %s", tt.method, tt.target, code, body)
		}
	}
	_, err := c.Status(within(t), "nobody")
	if e, ok := errors.AsType[*agent.UnknownJobError](err); !ok || e.Job != "nobody" || len(e.Jobs) != 1 {
		t.Errorf("status of an unknown job: %v", err)
	}
}

func TestWhy(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"prefix": "p/", "filter": []string{"- *.tmp"}}, nil)
	for _, name := range []string{"a", "b", "c.tmp"} {
		write(t, filepath.Join(source, name), "four")
	}
	b.OSS.Faults().Add(oss.Fault{Key: "p/b", Status: 400, Code: "InvalidArgument"})
	c := start(t, config).control(b)
	if r := settle(t, c); r.Jobs[0].FailedFiles != 1 || r.Jobs[0].Failed[0].Path != "b" || r.Jobs[0].Files != 1 {
		t.Errorf("receipt = %+v", r)
	}
	why := func(path string) agent.Explanation {
		t.Helper()
		e, err := c.Why(within(t), path)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	crc, _ := fileSum(filepath.Join(source, "a"))
	a := why(filepath.Join(source, "a"))
	if a.Job != "docs" || !a.Taken || a.Key != "p/a" || a.Index == nil || a.Index.CRC64 != fmt.Sprint(crc) || a.Index.Key != "p/a" ||
		a.Disk.Size != 4 || a.Failure != nil || a.Index.ETag == "" || a.Index.Recorded == nil {
		t.Errorf("a file that was sent: %+v %+v", a, a.Index)
	}
	f := why(filepath.Join(source, "b"))
	if f.Index != nil || f.Failure == nil || f.Failure.Attempts == 0 || f.Failure.RequestID == "" || !strings.Contains(f.Failure.Error, "InvalidArgument") {
		t.Errorf("a file that failed: %+v %+v", f, f.Failure)
	}
	if x := why(filepath.Join(source, "c.tmp")); x.Taken || x.Rule != "- *.tmp" || x.Index != nil {
		t.Errorf("a file that is left out: %+v", x)
	}
	if x := why(filepath.Join(source, "none")); x.Disk.Exists || x.Disk.Error == "" || !x.Taken {
		t.Errorf("a file that is not there: %+v", x)
	}
	if x := why("/proc/version"); x.Job != "" || x.Reason == "" {
		t.Errorf("a file of no job: %+v", x)
	}
}

// TestWaitIdle wants an answer within 100 ms when there is nothing to wait for.
func TestWaitIdle(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	for i := range 50 {
		write(t, filepath.Join(source, fmt.Sprintf("%d/%d", i%7, i)), "text")
	}
	c := start(t, config).control(b)
	settle(t, c)
	asked, best := b.Asked(), time.Hour
	for range 100 {
		begun := time.Now()
		settle(t, c)
		if best = min(best, time.Since(begun)); best < 100*time.Millisecond {
			break
		}
	}
	t.Logf("an idle wait takes %v", best)
	if best > 100*time.Millisecond {
		t.Errorf("an idle wait takes %v", best)
	}
	if n := b.Asked() - asked; n != 0 {
		t.Errorf("%d requests to OSS for idle waits", n)
	}
}

// TestWaitSeesDeletions wants a deletion that was made before the call.
func TestWaitSeesDeletions(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror"}, nil)
	c := start(t, config).control(b)
	for i := range 2 {
		name := filepath.Join(source, "file")
		write(t, name, fmt.Sprint("state ", i))
		write(t, filepath.Join(source, "other"), fmt.Sprint("state ", i))
		settle(t, c)
		if diff := differs(t, b, source); diff != "" {
			t.Errorf("after a wait %s", diff)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		settle(t, c)
		if diff := differs(t, b, source); diff != "" {
			t.Errorf("after a deletion and a wait %s", diff)
		}
	}
}
