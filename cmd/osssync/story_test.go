package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/upload"
)

func TestStory(t *testing.T) {
	at := func(d time.Duration) *time.Time { x := statusNow.Add(d); return &x }
	disk := agent.DiskStory{Exists: true, Size: 1536, MTime: at(-time.Hour)}
	held := &agent.IndexStory{Key: "p/a.txt", Size: 1536, MTime: *at(-time.Hour), CRC64: "123", Recorded: at(-59 * time.Minute)}
	older := *held
	older.MTime = *at(-2 * time.Hour)
	for _, tt := range []struct {
		name string
		a    whyAnswer
		want string
	}{
		{"up to date", whyAnswer{AgentRunning: true, Bucket: "b", Explanation: agent.Explanation{
			Path: "/src/a.txt", Job: "docs", Also: []string{"all"}, Taken: true, Key: "p/a.txt", Disk: disk, Index: held,
		}}, `/src/a.txt
It belongs to job docs.
Job all covers it too.
The job takes it: no rule of its filter matches.
On disk: 1.5 KiB (1,536 bytes), modified 2026-11-22 11:00:00 UTC.
In OSS: oss://b/p/a.txt, 1.5 KiB (1,536 bytes), CRC-64 123, verified 2026-11-22 11:01:00 UTC; that is what is on disk.
Nothing is pending.
`},
		{"failing", whyAnswer{AgentRunning: true, JobState: "error", JobReason: "AccessDenied", Explanation: agent.Explanation{
			Path: "/src/a.txt", Job: "docs", Taken: true, Rule: "+ *.txt", Key: "p/a.txt", Disk: disk, Index: &older,
			Pending: &agent.PendingStory{Doing: "waiting", SinceSeconds: 90, NextSeconds: 12},
			Failure: &agent.FailureStory{Error: "put p/a.txt: AccessDenied", Attempts: 5, Since: *at(-90 * time.Second), NextTry: at(12 * time.Second), RequestID: "5C3D"},
			Upload:  &agent.UploadStory{Began: *at(-80 * time.Second), Size: 64 << 20, Parts: 3, Bytes: 24 << 20},
		}}, `/src/a.txt
It belongs to job docs.
The job takes it, by the rule "+ *.txt".
The job is in the state "error": AccessDenied.
On disk: 1.5 KiB (1,536 bytes), modified 2026-11-22 11:00:00 UTC.
In OSS: key p/a.txt, 1.5 KiB (1,536 bytes), CRC-64 123, verified 2026-11-22 11:01:00 UTC; the file has changed since.
An upload of it is unfinished: 3 parts with 24 MiB of 64 MiB are there, begun 2026-11-22 11:58:40 UTC.
Pending for 1m30s: it is looked at in 12s.
The last attempt failed: put p/a.txt: AccessDenied.
OSS knows that request as 5C3D.
5 attempts failed since 2026-11-22 11:58:30 UTC; the next one is due in 12s.
`},
		{"left out, no agent", whyAnswer{Bucket: "b", Explanation: agent.Explanation{
			Path: "/src/a.tmp", Job: "docs", Rule: "- *.tmp", Key: "p/a.tmp",
			Disk:    agent.DiskStory{Error: upload.ErrVanished.Error()},
			Failure: &agent.FailureStory{Error: "no", Attempts: 1, Since: statusNow},
		}}, `/src/a.tmp
The agent is not running, or does not answer you; this is what the configuration and the index tell.
It belongs to job docs.
The job leaves it out, by the rule "- *.tmp".
On disk: nothing.
In OSS: nothing that the index knows of.
The last attempt failed: no.
That was the first attempt, at 2026-11-22 12:00:00 UTC; the next one is due when the file changes or at the next scan.
`},
		{"cannot be", whyAnswer{AgentRunning: true, Bucket: "b", Explanation: agent.Explanation{
			Path: "/src/\xff", Job: "docs", Taken: true, KeyError: "not UTF-8", Reason: "no such directory",
			Disk: agent.DiskStory{Error: "not a regular file"},
		}}, "/src/\xff" + `
It belongs to job docs.
The job takes it: no rule of its filter matches.
It can have no object: not UTF-8.
The job does not run: no such directory.
On disk: no file that can be taken: not a regular file.
In OSS: nothing that the index knows of.
Nothing is pending.
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &storyteller{tr: (&app{lang: "en"}).tr, now: statusNow}
			got := strings.Join(s.tell(tt.a), "\n") + "\n"
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			zh := &storyteller{tr: (&app{lang: "zh"}).tr, now: statusNow}
			for _, l := range zh.tell(tt.a)[1:] {
				if !hasHan(l) {
					t.Errorf("no Chinese: %s", l)
				}
			}
		})
	}
}
