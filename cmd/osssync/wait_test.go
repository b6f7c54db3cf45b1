package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/agent"
)

func done(job string) agent.JobReceipt {
	return agent.JobReceipt{Job: job, Done: true, Sequence: 7, Files: 1000, Bytes: 1 << 20, LastKey: "p/a\n"}
}

// TestWaitOutcome holds which exit code comes before which.
func TestWaitOutcome(t *testing.T) {
	pending := agent.JobReceipt{Job: "busy", Pending: 12}
	failed := done("bad")
	failed.Failed, failed.FailedFiles = []agent.FailureStatus{{Path: "x\x1b", Error: "AccessDenied"}}, 3
	held := done("brake")
	held.Held = 1001
	paused := agent.JobReceipt{Job: "quiet", Paused: "paused by hand"}
	broken := agent.JobReceipt{Job: "lost", Error: "no such directory"}
	lost := agent.JobReceipt{Job: "usb", Held: 2, Paused: "deletions held: the source cannot be read: open /mnt: no such file or directory"}
	for _, tt := range []struct {
		name    string
		jobs    []agent.JobReceipt
		timeout bool
		code    int
		says    string
	}{
		{"all done", []agent.JobReceipt{done("docs"), done("logs")}, false, 0, ""},
		{"time up after all was done", []agent.JobReceipt{done("docs")}, true, 0, ""},
		{"failed", []agent.JobReceipt{done("docs"), failed}, false, exitPartial, "3 files failed"},
		{"held", []agent.JobReceipt{done("docs"), held}, false, exitPaused, "job brake holds 1001 deletions"},
		{"paused", []agent.JobReceipt{done("docs"), paused}, false, exitPaused, "job quiet: paused by hand"},
		{"source lost", []agent.JobReceipt{done("docs"), lost}, false, exitPaused, "wait: job usb: deletions held: the source cannot be read: open /mnt: no such"},
		{"failed and held", []agent.JobReceipt{held, failed}, false, exitPartial, "files failed"},
		{"broken", []agent.JobReceipt{broken}, false, exitFailed, "job lost: no such directory"},
		{"one broken", []agent.JobReceipt{done("docs"), broken}, false, exitPartial, "job lost"},
		{"time up", []agent.JobReceipt{done("docs"), pending, failed}, true, exitTimedOut, "timed out; job busy: 12 files pending"},
		{"time up while it scans", []agent.JobReceipt{done("docs"), {Job: "new"}}, true, exitTimedOut, "timed out; job new: still looking for what was changed"},
		{"time up, nobody tells", nil, true, exitTimedOut, "timed out"},
		{"not done for no reason", []agent.JobReceipt{pending}, false, exitFailed, "12 files pending"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, complaints bytes.Buffer
			c := &waitCommand{app: &app{stdout: &out, stderr: &complaints, lang: "en"}}
			r := total(agent.Receipt{Jobs: tt.jobs}, time.Second)
			r.TimedOut = tt.timeout && !r.Done
			err := c.outcome(r)
			if exitCode(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, code %d, want %d and %q", err, exitCode(err), tt.code, tt.says)
			}
			if r.Done != (tt.code == 0) {
				t.Errorf("done: %t, code %d", r.Done, tt.code)
			}
			if r.FailedFiles > 0 {
				want := "osssync: bad x\\x1b: AccessDenied\nosssync: and 2 more failed; --json shows more\n"
				if complaints.String() != want {
					t.Errorf("%q, want %q", complaints.String(), want)
				}
			}
		})
	}
}

// TestWaitHint holds that nobody is told to approve what no approval can mend.
func TestWaitHint(t *testing.T) {
	for want, j := range map[string]agent.JobReceipt{
		"":               {Job: "docs", Error: "no such bucket"},
		approveHint:      {Held: 2, Paused: "deletions held: the source is empty"},
		"osssync resume": {Paused: "paused by hand"},
		"make the source directory, or mount what belongs there, and let": {Held: 2, Paused: "deletions held: the source cannot be read: open /mnt: no such file or directory"},
		"make the source directory, or mount what belongs":                {Held: 2, Paused: "deletions held: the source is not where it was: stat /mnt: no such file or directory"},
		"make the source directory":                                       {Error: "the job does not run: the source cannot be read: open /mnt: no such file or directory"},
	} {
		if got := waitHint([]agent.JobReceipt{{Job: "fine", Done: true}, j}); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%+v: hint %q, want %q", j, got, want)
		}
	}
}

func TestReceipt(t *testing.T) {
	var out bytes.Buffer
	c := &waitCommand{app: &app{stdout: &out, lang: "en"}}
	r := total(agent.Receipt{Jobs: []agent.JobReceipt{done("docs"), {Job: "new", Done: true}}}, 1500*time.Millisecond)
	if err := c.print(r); err != nil {
		t.Fatal(err)
	}
	want := `docs: 1,000 files (1.0 MiB) in OSS, sequence 7, last key p/a\x0a
new: 0 files (0 B) in OSS, sequence 0
done: all that was changed before is verified in OSS; 1,000 files (1.0 MiB), waited 1.5 s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	c.json = true
	if err := c.print(total(agent.Receipt{}, time.Second)); err != nil {
		t.Fatal(err)
	}
	want = `{"done":false,"timed_out":false,"files":0,"bytes":0,"failed_files":0,"seconds":1,"jobs":[]}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPendingLine(t *testing.T) {
	a := &app{lang: "en"}
	st := busyStatus()
	if got, want := pendingLine(a.tr, st), "waiting: 1,200 (3.0 MiB) pending, 4 in flight, 3 failed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	st.Jobs = st.Jobs[1:]
	if got, want := pendingLine(a.tr, st), "waiting: 0 pending, 0 in flight"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWaitTimeoutFlag(t *testing.T) {
	c := &waitCommand{app: &app{}, timeout: "soon"}
	if err := c.run(t.Context(), nil); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--timeout soon") {
		t.Error(err)
	}
}
