package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

// An UnknownJobError names a job that the agent does not have.
type UnknownJobError struct {
	Job  string
	Jobs []string // those that there are
}

func (e *UnknownJobError) Error() string {
	return "job " + e.Job + ": unknown; there are " + strings.Join(e.Jobs, ", ")
}

// A problem is an answer that is not the one asked for, as it is sent.
type problem struct {
	Error    string    `json:"error"`
	Hint     string    `json:"hint,omitempty"`
	Job      string    `json:"job,omitempty"`      // that is not there
	Jobs     []string  `json:"jobs,omitempty"`     // that are
	Held     *bool     `json:"held,omitempty"`     // false: there is nothing to approve
	Mistakes []mistake `json:"mistakes,omitempty"` // in the configuration
}

// A mistake is a config.Error as it is sent.
type mistake struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Key    string `json:"key"`
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

// A refusal is an error that the agent answered with.
type refusal struct{ text, hint string }

func (e *refusal) Error() string { return e.text }

// Hint returns what can be done, "" where that is not known.
func (e *refusal) Hint() string { return e.hint }

// readProblem returns the error that an answer tells of.
func readProblem(status int, text []byte) error {
	var p problem
	if err := json.Unmarshal(text, &p); err != nil || p.Error == "" {
		return fmt.Errorf("agent answered %d %s", status, http.StatusText(status))
	}
	switch {
	case status == http.StatusMisdirectedRequest:
		return errMisdirected
	case status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w any more: %s", ErrNotRunning, p.Error)
	case p.Job != "":
		return &UnknownJobError{p.Job, p.Jobs}
	case p.Held != nil:
		return plan.ErrNothingHeld
	case len(p.Mistakes) == 0:
		return &refusal{p.Error, p.Hint}
	}
	errs := make([]error, len(p.Mistakes))
	for i, m := range p.Mistakes {
		errs[i] = &config.Error{File: m.File, Line: m.Line, Column: m.Column, Key: m.Key, Err: errors.New(m.Error), Hint: m.Hint}
	}
	return errors.Join(errs...)
}
