package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/plan"
)

// statusFailures is how many failures of a job are shown.
const statusFailures = 10

// A pace is how fast a job uploads, measured between two looks.
type pace struct{ files, bytes float64 } // a second

// paces measures how fast each job has uploaded between two looks. A job of
// which the counters began anew is left out.
func paces(before, after agent.Status, took time.Duration) map[string]pace {
	all := map[string]pace{}
	if took <= 0 || before.PID != after.PID {
		return all
	}
	for _, a := range after.Jobs {
		for _, b := range before.Jobs {
			if a.Name == b.Name && a.Uploaded >= b.Uploaded && a.UploadedBytes >= b.UploadedBytes {
				all[a.Name] = pace{
					files: float64(a.Uploaded-b.Uploaded) / took.Seconds(),
					bytes: float64(a.UploadedBytes-b.UploadedBytes) / took.Seconds(),
				}
			}
		}
	}
	return all
}

// A statusView turns a status into lines for people.
type statusView struct {
	tr    func(string) string
	now   time.Time
	paces map[string]pace // nil: nobody measures
}

// lines returns all that is to be told.
func (v *statusView) lines(st agent.Status) []line {
	all := append(v.agent(st), line{})
	if len(st.Jobs) == 0 {
		return append(all, plain("%s", v.tr("no jobs")))
	}
	rows := table(v.rows(st.Jobs))
	all = append(all, rows[0])
	for i, j := range st.Jobs {
		all = append(all, rows[i+1])
		if j.Reason != "" {
			all = append(all, line{{"  " + j.Reason, stateColor(j.State)}})
		}
		if way := v.wayOut(j); way != "" {
			all = append(all, line{{"  " + way, dim}})
		}
	}
	for _, j := range st.Jobs {
		all = append(all, v.failures(j)...)
	}
	return all
}

// wayOut returns what ends the trouble of a job, "" where that is not known.
func (v *statusView) wayOut(j agent.JobStatus) string {
	switch {
	case plan.SourceLost(j.Reason):
		return v.tr(agent.SourceHint)
	case j.State != plan.Paused:
		return ""
	case strings.HasPrefix(j.Reason, "paused by hand"):
		return fmt.Sprintf(v.tr("to go on: osssync resume %s"), j.Name)
	case strings.HasPrefix(j.Reason, "deletions held: "):
		return fmt.Sprintf(v.tr("look at the source; if the deletions are meant: osssync approve %s"), j.Name)
	}
	return ""
}

// agent tells of the agent as a whole.
func (v *statusView) agent(st agent.Status) []line {
	first := plain(v.tr("osssync %s, process %d, running since %s (%s)"), st.Version, st.PID, stamp(st.Started), span(v.now.Sub(st.Started)))
	c := st.Credentials
	switch {
	case c.Error != "" && c.Expires == nil:
		return []line{first, {{v.tr("credential: none") + ": " + c.Error, red}}}
	case c.Expires == nil:
		return []line{first, plain("%s", v.tr("credential: none yet"))}
	}
	left := c.Expires.Sub(v.now)
	second := plain(v.tr("credential: role %s, from %s, good for %s (until %s)"), c.Role, c.Source, span(left), stamp(*c.Expires))
	if left <= 0 {
		second = line{{fmt.Sprintf(v.tr("credential: role %s, from %s, expired at %s"), c.Role, c.Source, stamp(*c.Expires)), red}}
	}
	if c.Error != "" {
		second = append(second, piece{"; " + c.Error, red})
	}
	return []line{first, second}
}

// rows returns a row for each job, after one of headings.
func (v *statusView) rows(jobs []agent.JobStatus) []line {
	head := []string{"JOB", "STATE", "PENDING", "OLDEST", "IN FLIGHT", "FAILED", "UPLOADED", "WATCH"}
	if v.paces != nil {
		head[6] = "RATE"
	}
	var heads line
	for _, h := range head {
		heads = append(heads, piece{v.tr(h), bold})
	}
	rows := []line{heads}
	for _, j := range jobs {
		rows = append(rows, v.row(&j))
	}
	return rows
}

func (v *statusView) row(j *agent.JobStatus) line {
	oldest, failed := "-", piece{humanize.Comma(j.FailedFiles), ""}
	if j.Pending > 0 {
		oldest = span(time.Duration(j.OldestPendingSeconds * float64(time.Second)))
	}
	if j.FailedFiles > 0 {
		failed.color = red
	}
	done := amount(j.Uploaded, j.UploadedBytes)
	if v.paces != nil {
		done = v.rate(j.Name)
	}
	return line{
		{j.Name, ""}, {v.tr(string(j.State)), stateColor(j.State)},
		{amount(j.Pending, j.PendingBytes), ""}, {oldest, ""}, {fmt.Sprint(j.InFlight), ""},
		failed, {done, ""}, {v.watch(j), ""},
	}
}

// files writes a number of files in words.
func files(tr func(string) string, n int64) string {
	if n == 1 {
		return tr("1 file")
	}
	return fmt.Sprintf(tr("%s files"), humanize.Comma(n))
}

// amount writes a number of files and their size.
func amount(files, bytes int64) string {
	if files == 0 {
		return "0"
	}
	return humanize.Comma(files) + " (" + humanize.IBytes(uint64(max(bytes, 0))) + ")"
}

func (v *statusView) rate(job string) string {
	p, ok := v.paces[job]
	if !ok {
		return "-"
	}
	return fmt.Sprintf(v.tr("%s/s, %.0f files/s"), humanize.IBytes(uint64(p.bytes)), p.files)
}

func (v *statusView) watch(j *agent.JobStatus) string {
	w := j.Watch
	if w.Mode == "" {
		return "-"
	}
	parts := []string{w.Mode}
	switch {
	case w.Directories == 1:
		parts = append(parts, v.tr("1 directory"))
	case w.Directories > 1:
		parts = append(parts, fmt.Sprintf(v.tr("%s directories"), humanize.Comma(int64(w.Directories))))
	}
	if j.Skipped > 0 {
		parts = append(parts, fmt.Sprintf(v.tr("no regular files: %s"), humanize.Comma(j.Skipped)))
	}
	if w.Overflows > 0 {
		parts = append(parts, fmt.Sprintf(v.tr("overflows: %d"), w.Overflows))
	}
	return strings.Join(parts, ", ")
}

func stateColor(s plan.State) string {
	switch s {
	case plan.Watching:
		return green
	case plan.Scanning:
		return cyan
	case plan.Paused:
		return yellow
	}
	return red
}

// failures tells of the first files of a job that failed.
func (v *statusView) failures(j agent.JobStatus) []line {
	if j.FailedFiles == 0 && len(j.Failed) == 0 {
		return nil
	}
	all := []line{{}, {{fmt.Sprintf(v.tr("%s: %s failed"), j.Name, files(v.tr, max(j.FailedFiles, int64(len(j.Failed))))), bold}}}
	shown := j.Failed[:min(len(j.Failed), statusFailures)]
	for _, f := range shown {
		all = append(all,
			line{{"  " + f.Path, ""}},
			line{{"    " + f.Error, red}, {"; " + v.tries(f), ""}})
	}
	if more := j.FailedFiles - int64(len(shown)); more > 0 {
		all = append(all, plain("  "+v.tr("and %s more; status --json tells of the first 1,000"), humanize.Comma(more)))
	}
	return all
}

// tries tells how often a file was tried, and when it will be next.
func (v *statusView) tries(f agent.FailureStatus) string {
	tried := fmt.Sprintf(v.tr("%d attempts"), f.Attempts)
	if f.Attempts == 1 {
		tried = v.tr("1 attempt")
	}
	switch {
	case f.NextTry == nil:
		return tried + ", " + v.tr("next when the file changes or at the next scan")
	case f.NextTry.After(v.now):
		return tried + ", " + fmt.Sprintf(v.tr("next in %s"), span(f.NextTry.Sub(v.now)))
	}
	return tried + ", " + v.tr("next now")
}
