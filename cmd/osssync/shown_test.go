package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

// TestNamesStayOnTheirLine has each report for people tell of a file with a line
// end and an escape in its name.
func TestNamesStayOnTheirLine(t *testing.T) {
	const name, want = "x\nosssync: all is well\x1b[2J", `x\x0aosssync: all is well\x1b[2J`
	bad := errors.New("put " + name + ": refused")
	conf := config.Default()
	for what, say := range map[string]func(a *app) error{
		"why, of no job": func(*app) error { return strayError("/"+name, "", &conf) },
		"unknown job":    func(*app) error { return agentError("status", &agent.UnknownJobError{Job: name}) },
		"wait": func(a *app) error {
			c := &waitCommand{app: a}
			return c.outcome(receipt{Jobs: []agent.JobReceipt{{Job: "docs", Error: bad.Error()}}})
		},
		"wait, paused": func(a *app) error {
			c := &waitCommand{app: a}
			return c.outcome(receipt{Jobs: []agent.JobReceipt{{Job: "docs", Paused: bad.Error()}}})
		},
		"wait, failed": func(a *app) error {
			(&waitCommand{app: a}).listFailures(receipt{Jobs: []agent.JobReceipt{{Job: "docs", Failed: []agent.FailureStatus{{Path: name, Error: bad.Error()}}}}})
			return nil
		},
		"verify, not sent": func(a *app) error {
			c := &verifyCommand{app: a, repair: true}
			return c.outcome(t.Context(), &verifyOutput{failed: 1, firstErr: bad}, agent.VerifyOptions{}, agent.Verified{}, nil)
		},
		"verify, by the agent": func(*app) error { return yetToSend(agent.Verified{Repaired: 1, Unsent: []string{name}}) },
		"verify, a difference": func(a *app) error {
			a.stdout = a.stderr
			o := newVerifyOutput(a, false)
			o.difference(agent.Difference{Kind: agent.Missing, Path: name, Key: name, Reason: name})
			return o.out.Flush()
		},
		"status": func(a *app) error {
			v := statusView{a.tr, time.Now(), nil}
			st := agent.Status{Jobs: []agent.JobStatus{{Name: "docs", Reason: name, FailedFiles: 1, Failed: []agent.FailureStatus{{Path: name, Error: bad.Error()}}}}}
			_, err := a.stderr.Write(canvas{}.block(v.lines(st)))
			return err
		},
	} {
		var out bytes.Buffer
		a := &app{stdout: &bytes.Buffer{}, stderr: &out, lang: "en"}
		a.complain(t.Context(), say(a))
		if text := out.String(); !strings.Contains(text, want) || strings.Contains(text, "\nosssync: all is well") || strings.Contains(text, "\x1b") {
			t.Errorf("%s: %q", what, text)
		}
	}
}
