package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/plan"
)

var statusNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func busyStatus() agent.Status {
	expires, next := statusNow.Add(5*time.Hour+12*time.Minute), statusNow.Add(12*time.Second)
	return agent.Status{
		Version: "1.2.0", PID: 42, Started: statusNow.Add(-50 * time.Hour),
		Credentials: agent.CredentialStatus{Role: "web", Expires: &expires, Source: "metadata"},
		Jobs: []agent.JobStatus{
			{
				Name: "docs", State: plan.Watching, Running: true, Indexed: 11478, Uploaded: 11478, UploadedBytes: 1 << 30,
				Pending: 1200, PendingBytes: 3 << 20, OldestPendingSeconds: 75.4, InFlight: 4, FailedFiles: 3,
				Failed: []agent.FailureStatus{
					{Path: "a\x1b[2J\n.txt", Error: "put p/a: AccessDenied", Attempts: 5, NextTry: &next},
					{Path: "b.txt", Error: "open b.txt: permission denied", Attempts: 1},
				},
				Skipped: 1031, Watch: agent.WatchStatus{Mode: "inotify", Directories: 1200, Overflows: 2, Scans: 3},
			},
			{Name: "logs", State: plan.Paused, Reason: "paused by hand", Running: true, Watch: agent.WatchStatus{Mode: "poll"}},
			{Name: "media", State: plan.Failing, Reason: "the job does not run: no such directory"},
		},
	}
}

func TestStatusView(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lang  string
		paces map[string]pace
		want  string
	}{
		{"english", "en", nil, `osssync 1.2.0, process 42, running since 2026-11-20 10:00:00 UTC (2d2h)
credential: role web, from metadata, good for 5h12m (until 2026-11-22 17:12:00 UTC)

JOB    STATE     PENDING          OLDEST  IN FLIGHT  FAILED  UPLOADED          WATCH
docs   watching  1,200 (3.0 MiB)  1m15s   4          3       11,478 (1.0 GiB)  inotify, 1,200 directories, no regular files: 1,031, overflows: 2
logs   paused    0                -       0          0       0                 poll
  paused by hand
  to go on: osssync resume logs
media  error     0                -       0          0       0                 -
  the job does not run: no such directory

docs: 3 files failed
  a\x1b[2J\x0a.txt
    put p/a: AccessDenied; 5 attempts, next in 12s
  b.txt
    open b.txt: permission denied; 1 attempt, next when the file changes or at the next scan
  and 1 more; status --json tells of the first 1,000
`},
		{"chinese, with rates", "zh", map[string]pace{"docs": {files: 119.6, bytes: 2 << 20}}, `osssync 1.2.0，进程 42，自 2026-11-20 10:00:00 UTC 起运行（2d2h）
凭证：角色 web，来自 metadata，5h12m 内有效（至 2026-11-22 17:12:00 UTC）

任务   状态    待处理           最久   进行中  失败  速率                   监视
docs   监视中  1,200 (3.0 MiB)  1m15s  4       3     2.0 MiB/秒，120 个/秒  inotify, 1,200 个目录, 非普通文件：1,031, 溢出：2
logs   已暂停  0                -      0       0     -                      poll
  paused by hand
  继续：osssync resume logs
media  出错    0                -      0       0     -                      -
  the job does not run: no such directory

docs：3 个文件失败
  a\x1b[2J\x0a.txt
    put p/a: AccessDenied; 已尝试 5 次, 12s后重试
  b.txt
    open b.txt: permission denied; 已尝试 1 次, 文件变化或下次扫描时重试
  另有 1 个；status --json 列出前 1,000 个
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{lang: tt.lang}
			view := statusView{a.tr, statusNow, tt.paces}
			got := string(canvas{}.block(view.lines(busyStatus())))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatusViewCredential(t *testing.T) {
	a := &app{lang: "en"}
	past := statusNow.Add(-time.Minute)
	for want, c := range map[string]agent.CredentialStatus{
		"credential: none yet":                                                                       {},
		"credential: none: no role is attached":                                                      {Error: "no role is attached"},
		"credential: role web, from cache, expired at 2026-11-22 11:59:00 UTC":                       {Role: "web", Source: "cache", Expires: &past},
		"credential: role web, from cache, expired at 2026-11-22 11:59:00 UTC; metadata unreachable": {Role: "web", Source: "cache", Expires: &past, Error: "metadata unreachable"},
	} {
		view := statusView{a.tr, statusNow, nil}
		if got := string(canvas{}.block(view.agent(agent.Status{Credentials: c})[1:])); got != want+"\n" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Of many failures the first ten are shown, and the rest counted.
func TestStatusViewManyFailures(t *testing.T) {
	j := agent.JobStatus{Name: "docs", FailedFiles: 5000}
	for i := range 1000 {
		j.Failed = append(j.Failed, agent.FailureStatus{Path: fmt.Sprint(i), Error: "no", Attempts: 1})
	}
	a := &app{lang: "en"}
	view := statusView{a.tr, statusNow, nil}
	lines := view.failures(j)
	if got, want := len(lines), 2+2*statusFailures+1; got != want {
		t.Fatalf("%d lines, want %d", got, want)
	}
	if got, want := lines[len(lines)-1][0].text, "  and 4,990 more; status --json tells of the first 1,000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPaces(t *testing.T) {
	before := agent.Status{PID: 1, Jobs: []agent.JobStatus{{Name: "a", Uploaded: 10, UploadedBytes: 100}, {Name: "b", Uploaded: 7}, {Name: "gone"}}}
	after := agent.Status{PID: 1, Jobs: []agent.JobStatus{{Name: "a", Uploaded: 30, UploadedBytes: 1100}, {Name: "b", Uploaded: 1}, {Name: "new"}}}
	want := map[string]pace{"a": {files: 10, bytes: 500}} // of b the counters began anew
	if diff := cmp.Diff(want, paces(before, after, 2*time.Second), cmp.AllowUnexported(pace{})); diff != "" {
		t.Error(diff)
	}
	after.PID = 2
	if got := paces(before, after, time.Second); len(got) != 0 {
		t.Errorf("of another agent: %v", got)
	}
	if got := paces(before, before, 0); len(got) != 0 {
		t.Errorf("in no time: %v", got)
	}
}
