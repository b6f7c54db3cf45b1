package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/service"
)

// health returns what systemd is told of the agent.
func (s *session) health(ag *agent.Agent) service.Health {
	return service.Health{
		Ready:  func(ctx context.Context) bool { return s.credentialKnown() && allBegun(ag.Jobs(ctx)) },
		Status: func(ctx context.Context) string { return s.statusLine(ag.Jobs(ctx)) },
		Pulse:  ag.Pulse,
		Grace:  func() time.Duration { return ag.Grace() + stopGrace },
		Logger: s.log,
	}
}

// stopGrace is what the end of the agent may take besides the uploads' grace.
const stopGrace = 15 * time.Second

// jsonHandler returns a handler that writes JSON to w; where the journal takes
// it, with the priority before each line.
func jsonHandler(w io.Writer, opt *slog.HandlerOptions) slog.Handler {
	if f, ok := w.(*os.File); ok && service.IsJournal(f, os.Getenv) {
		return service.NewJournal(w, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, opt) })
	}
	return slog.NewJSONHandler(w, opt)
}

// alarm returns what a line to w begins with that tells of an error: where the
// journal takes it, that priority.
func alarm(w io.Writer) string {
	if f, ok := w.(*os.File); ok && service.IsJournal(f, os.Getenv) {
		return "<3>"
	}
	return ""
}

// credentialKnown reports whether there is a credential, or why there is none
// is known.
func (s *session) credentialKnown() bool {
	_, err := s.creds.Credentials()
	e, ok := errors.AsType[*creds.Error](err)
	return !ok || e.Kind != creds.Pending
}

// allBegun reports whether each job has begun its first scan, or is known not
// to run.
func allBegun(jobs []agent.JobStatus) bool {
	for _, j := range jobs {
		begun := j.Running && j.Watch.Mode != ""
		if !begun && j.State != plan.Failing {
			return false
		}
	}
	return true
}

// statusLine sums up in a line what the agent is doing.
func (s *session) statusLine(jobs []agent.JobStatus) string {
	states := map[plan.State]int{}
	var pending, bytes, failed int64
	for _, j := range jobs {
		states[j.State]++
		pending += j.Pending
		bytes += max(j.PendingBytes, 0)
		failed += j.FailedFiles
	}
	var parts []string
	for _, state := range []plan.State{plan.Watching, plan.Scanning, plan.Paused, plan.Failing} {
		if n := states[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	line := fmt.Sprintf("%d jobs: %s; ", len(jobs), strings.Join(parts, ", "))
	if pending == 0 {
		line += "nothing pending"
	} else {
		line += fmt.Sprintf("%s files (%s) pending", humanize.Comma(pending), humanize.IBytes(uint64(bytes)))
	}
	if failed > 0 {
		line += fmt.Sprintf(", %s failed", humanize.Comma(failed))
	}
	if _, err := s.creds.Credentials(); err != nil {
		line += "; no credential: " + printable(err.Error())
	}
	return line
}
