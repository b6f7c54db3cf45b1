package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/agent"
)

// An interrupt ends --watch at once, and is no failure: nothing else ends it.
func TestWatchEndsOnInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var out, complaints bytes.Buffer
		c := &statusCommand{app: &app{stdout: &out, stderr: &complaints, lang: "en"}, watch: true}
		begun := time.Now()
		time.AfterFunc(2500*time.Millisecond, func() { cancel(errInterrupted) })
		looks := 0
		err := c.run(ctx, func(context.Context) (agent.Status, error) { looks++; return busyStatus(), nil })
		if err != nil || time.Since(begun) != 2500*time.Millisecond {
			t.Errorf("ended after %v with %v", time.Since(begun), err)
		}
		if n := strings.Count(out.String(), "JOB "); n != 3 || looks != 3 || complaints.Len() > 0 {
			t.Errorf("%d blocks of %d looks; %s", n, looks, complaints.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Error("escape sequences in a pipe")
		}
	})
}

// It ends as fast while the agent is being asked.
func TestWatchEndsWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var out bytes.Buffer
		c := &statusCommand{app: &app{stdout: &out, stderr: &out, lang: "en"}, watch: true}
		begun, looks := time.Now(), 0
		time.AfterFunc(10*time.Second, func() { cancel(errInterrupted) })
		err := c.run(ctx, func(ctx context.Context) (agent.Status, error) {
			if looks++; looks > 1 {
				<-ctx.Done()
				return agent.Status{}, ctx.Err()
			}
			return busyStatus(), nil
		})
		if err != nil || time.Since(begun) != 10*time.Second || looks != 2 {
			t.Errorf("ended after %v and %d looks with %v", time.Since(begun), looks, err)
		}
	})
}

// While the agent does not answer --watch says so once and goes on trying.
func TestWatchOutlivesTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var out, complaints bytes.Buffer
		c := &statusCommand{app: &app{stdout: &out, stderr: &complaints, lang: "en"}, watch: true, json: true}
		looks := 0
		err := c.run(ctx, func(context.Context) (agent.Status, error) {
			switch looks++; {
			case looks == 7:
				cancel(errInterrupted)
			case looks > 1 && looks < 5:
				return agent.Status{}, agentError("status", agent.ErrNotRunning)
			}
			return busyStatus(), nil
		})
		if err != nil {
			t.Error(err)
		}
		if got, want := complaints.String(), "osssync: status: agent is not running; trying again every second\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 3 {
			t.Errorf("%d lines, want 3", len(lines))
		}
		for _, l := range lines {
			var st agent.Status
			if err := json.Unmarshal([]byte(l), &st); err != nil || st.PID != 42 {
				t.Errorf("%s: %v", l, err)
			}
		}
	})
}

// An agent that is not there to begin with is an error.
func TestStatusWithoutAgent(t *testing.T) {
	c := &statusCommand{app: &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, lang: "en"}, watch: true}
	err := c.run(t.Context(), func(context.Context) (agent.Status, error) {
		return agent.Status{}, agentError("status", agent.ErrNotRunning)
	})
	if exitCode(err) != exitNotRunning || !errors.Is(err, agent.ErrNotRunning) || hint(err) != startHint {
		t.Errorf("%v, code %d, hint %q", err, exitCode(err), hint(err))
	}
}
