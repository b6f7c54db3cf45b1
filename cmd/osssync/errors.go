package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// The exit codes, which scripts rely on.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitPartial    = 3
	exitNoCreds    = 4
	exitNoAccess   = 5
	exitPaused     = 6
	exitNotRunning = 7
	exitTimedOut   = 8
	exitConfig     = 78
)

// A commandError is an error whose exit code or hint its cause does not tell.
type commandError struct {
	code int
	err  error
	hint string
}

func (e *commandError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *commandError) Unwrap() error { return e.err }

// Hint returns the way out, "" where there is none to tell.
func (e *commandError) Hint() string { return e.hint }

func usageErrorf(format string, args ...any) error {
	return &commandError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode returns the code that the contract gives to err.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*commandError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return exitConfig
	}
	if e, ok := errors.AsType[*upload.RequestError](err); ok {
		switch e.Class {
		case upload.Credential:
			return exitNoCreds
		case upload.ThisJob:
			return exitNoAccess
		}
		if e.Status == 403 {
			return exitNoAccess
		}
	}
	if _, ok := errors.AsType[*creds.Error](err); ok {
		return exitNoCreds
	}
	return exitFailed
}

// complain prints err as `osssync: op object: cause`, a line for each of
// several errors, then a hint where something can be done.
func (a *app) complain(ctx context.Context, err error) {
	if err == nil {
		return
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(a.stderr, alarm(a.stderr)+"osssync: "+printable(line))
	}
	if _, ok := errors.AsType[*commandError](err); !ok && len(config.Mistakes(err)) > 0 {
		a.adviseOn(config.Mistakes(err))
		return
	}
	if h := hint(err); h != "" {
		fmt.Fprintln(a.stderr, a.tr("hint")+": "+printable(a.tr(h)))
	}
}

// adviseOn prints the hints to mistakes in the configuration, each once.
func (a *app) adviseOn(mistakes []*config.Error) {
	seen := map[string]bool{"": true}
	for _, m := range mistakes {
		if !seen[m.Hint] {
			seen[m.Hint] = true
			fmt.Fprintln(a.stderr, a.tr("hint")+": "+printable(a.tr(m.Hint)))
		}
	}
}

// hint returns what a user can do about err.
func hint(err error) string {
	var h interface {
		error
		Hint() string
	}
	for e := err; errors.As(e, &h); e = errors.Unwrap(h) { // the outermost that has one
		if h.Hint() != "" {
			return h.Hint()
		}
	}
	if e, ok := errors.AsType[*creds.Error](err); ok {
		return e.Hint
	}
	if e, ok := errors.AsType[*state.LockedError](err); ok && e.PID > 0 {
		return "the agent is running on this state directory; stop it first, or let it do the work"
	}
	if state.DiskTrouble(err) {
		return "make room on the disk of the state directory, and let this user write to it"
	}
	if e, ok := errors.AsType[*upload.RequestError](err); ok {
		return requestHint(e)
	}
	return ""
}

// requestHint tells what to do about an error of OSS, by its code.
func requestHint(e *upload.RequestError) string {
	switch e.Code {
	case "NoSuchBucket":
		return "check the bucket's name, and that it is in the region of the endpoint"
	case "AccessDenied":
		return "attach a policy to the RAM role that allows this; the README shows the least one"
	case "InvalidAccessKeyId", "SecurityTokenExpired", "InvalidSecurityToken":
		return "OSS refused the role's credential; check that the role still exists and the clock is right"
	}
	if e.Status == 0 && e.Class == upload.Transient {
		return "check the endpoint, and that this instance reaches it; outside the bucket's region set oss.endpoint"
	}
	return ""
}
