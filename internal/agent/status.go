package agent

import (
	"context"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

// A Status is what a running agent is doing, as `status --json` prints it. The
// agent fills in the jobs; the rest is known to whoever started it.
type Status struct {
	Version     string           `json:"version"`
	PID         int              `json:"pid"`
	Started     time.Time        `json:"started"` // UTC
	Credentials CredentialStatus `json:"credentials"`
	Jobs        []JobStatus      `json:"jobs"` // in the order of the configuration
}

// A CredentialStatus tells of the credential that is in use; it never holds a
// secret.
type CredentialStatus struct {
	Role    string     `json:"role"`
	Expires *time.Time `json:"expires"` // UTC; nil: there is none
	Source  string     `json:"source"`
	Error   string     `json:"error"` // why there is none
}

// A JobStatus is what one job is doing. Counts of what was done are since the
// job was started last.
type JobStatus struct {
	Name                 string          `json:"name"`
	State                plan.State      `json:"state"`
	Reason               string          `json:"reason"` // why it is paused, failing or does not run, or deletions are held
	Running              bool            `json:"running"`
	Indexed              int64           `json:"indexed"`
	IndexedBytes         int64           `json:"indexed_bytes"`
	Pending              int64           `json:"pending"`
	PendingBytes         int64           `json:"pending_bytes"`
	OldestPendingSeconds float64         `json:"oldest_pending_seconds"`
	InFlight             int             `json:"in_flight"`
	Uploaded             int64           `json:"uploaded"`
	UploadedBytes        int64           `json:"uploaded_bytes"`
	Copied               int64           `json:"copied"`
	Deleted              int64           `json:"deleted"`
	Failed               []FailureStatus `json:"failed"`       // at most 1,000, by path
	FailedFiles          int64           `json:"failed_files"` // how many there are
	HeldDeletions        int64           `json:"held_deletions"`
	Skipped              int64           `json:"skipped"` // that the last scan passed over: FIFOs, sockets, devices and links that are not followed
	Watch                WatchStatus     `json:"watch"`
}

// A FailureStatus is a file that is not in the bucket as it should be.
type FailureStatus struct {
	Path     string     `json:"path"`
	Error    string     `json:"error"`
	Attempts int        `json:"attempts"`
	NextTry  *time.Time `json:"next_try"` // UTC; nil: when the file changes or at the next scan
}

// A WatchStatus says how a source is watched.
type WatchStatus struct {
	Mode        string `json:"mode"` // "inotify", "windows" or "poll"; "" before the first scan
	Directories int    `json:"directories"`
	Overflows   uint64 `json:"overflows"`
	Scans       uint64 `json:"scans"`
}

// Jobs returns what each job is doing, also while Run has not begun or has
// ended. It may be called at any time and asks nothing of the network.
func (a *Agent) Jobs(ctx context.Context) []JobStatus {
	return a.jobsStatus(ctx, a.roster.all())
}

// Status is Jobs with all else that is known of the agent.
func (a *Agent) Status(ctx context.Context) Status { return a.status(ctx, a.roster.all()) }

func (a *Agent) status(ctx context.Context, jobs []*config.Job) Status {
	var st Status
	if a.opt.About != nil {
		st = a.opt.About()
	}
	st.Jobs = a.jobsStatus(ctx, jobs)
	return st
}

func (a *Agent) jobsStatus(ctx context.Context, jobs []*config.Job) []JobStatus {
	all := make([]JobStatus, len(jobs))
	for i, job := range jobs {
		all[i] = a.jobStatus(ctx, job)
	}
	return all
}

func (a *Agent) jobStatus(ctx context.Context, job *config.Job) JobStatus {
	s := JobStatus{Name: job.Name, State: plan.Scanning, Reason: notRunning(nil), Failed: []FailureStatus{}}
	l, fault := a.roster.find(job.Name)
	if l == nil {
		if fault != nil {
			s.State, s.Reason = plan.Failing, notRunning(fault)
		}
		return s
	}
	w := l.watcher.Stats()
	s.Skipped = w.Last.Special
	s.Watch = WatchStatus{Mode: w.Mode, Directories: w.Watched, Overflows: w.Overflows, Scans: w.Scans}
	lane, err := l.lane.Status(ctx)
	if err != nil {
		s.State, s.Reason = plan.Failing, "the index cannot be read: "+err.Error()
		return s
	}
	s.Running, s.State, s.Reason = true, lane.State, lane.Reason
	if p := a.pipe.Load(); p != nil {
		if err := p.trouble(); err != nil {
			s.State, s.Reason = plan.Failing, err.Error()
		}
	}
	if rival := l.guard.troubles(); rival != nil && lane.Hold.Doubt != plan.Shared {
		s.Reason = strings.TrimPrefix(s.Reason+"; "+rival.Error(), "; ")
	}
	s.Indexed, s.IndexedBytes = lane.Indexed, lane.IndexedBytes
	s.Pending, s.PendingBytes = lane.Pending, lane.PendingBytes
	s.OldestPendingSeconds, s.InFlight = lane.OldestPending.Seconds(), lane.InFlight
	s.Uploaded, s.UploadedBytes = lane.Uploaded, lane.UploadedBytes
	s.Copied, s.Deleted = lane.Copied, lane.Deleted
	s.FailedFiles, s.HeldDeletions = lane.Failed, int64(lane.Hold.Held)
	for _, f := range lane.Failures {
		s.Failed = append(s.Failed, failureStatus(f))
	}
	return s
}

func failureStatus(f plan.Failure) FailureStatus {
	s := FailureStatus{Path: f.Path, Error: f.Err.Error(), Attempts: f.Tries}
	if !f.Next.IsZero() {
		next := f.Next.UTC()
		s.NextTry = &next
	}
	return s
}
