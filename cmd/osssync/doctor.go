package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/config"
)

const doctorLong = `Check all that the agent depends on: the metadata service, the role, its token,
the clock, the endpoint, each permission that the jobs need, the sources, the
limits of the watcher and the state directory. Each failure names its fix.
Permissions are tried out on an object of a name of its own below each job's
prefix, which is gone afterwards; no other object is touched.`

// The outcomes of a check.
const (
	statusOK   = "ok"
	statusWarn = "warn"
	statusFail = "fail"
)

// The longest that parts of doctor may take. Together they are some ten
// seconds, whatever hangs.
const (
	credentialPatience = 5250 * time.Millisecond // the provider itself gives up after 5 s
	cachePatience      = 500 * time.Millisecond  // for the credential at hand when there is no new one
	endpointPatience   = 2 * time.Second
	permissionPatience = 2 * time.Second
	cleanupPatience    = 500 * time.Millisecond
	localPatience      = 5 * time.Second
)

// A check is one thing that doctor looked at.
type check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok", "warn" or "fail"
	Detail string `json:"detail"` // what was found
	Fix    string `json:"fix"`    // what can be done; "" where nothing must

	code int // exit code of a failure
}

func good(name, format string, args ...any) check {
	return check{Name: name, Status: statusOK, Detail: fmt.Sprintf(format, args...)}
}

func warning(name, fix, format string, args ...any) check {
	return check{Name: name, Status: statusWarn, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

// failure is a check that err ended. Its fix is the error's hint, else fix.
func failure(name string, err error, fix string) check {
	if h := hint(err); h != "" {
		fix = h
	}
	return check{Name: name, Status: statusFail, Detail: oneLine(err), Fix: fix, code: exitCode(err)}
}

// oneLine returns the text of joined errors as one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// A doctor examines one configuration.
type doctor struct {
	app    *app
	config *config.Config
	probe  string // last part of the keys that are tried
}

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [--json]",
		Short: a.tr("Check all that the agent depends on; every failure names its fix"),
		Long:  a.tr(doctorLong),
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, a.tr("print JSON"))
	return cmd
}

func (a *app) doctor(ctx context.Context, asJSON bool) error {
	checks := a.examine(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := a.printChecks(checks, asJSON); err != nil {
		return err
	}
	return verdict(checks)
}

// examine does all checks. Those of this machine run beside those that ask
// others, and each within a time of its own.
func (a *app) examine(ctx context.Context) []check {
	c, first := a.checkConfig()
	if c == nil {
		return append(first, checkEnvironment())
	}
	d := &doctor{app: a, config: c, probe: probeName()}
	local := []func(context.Context) []check{d.checkState, d.checkWatches}
	names := []string{"state directory", "watch limits"}
	for i := range c.Jobs {
		job := &c.Jobs[i]
		local = append(local, func(ctx context.Context) []check { return checkSource(ctx, job) })
		names = append(names, "job "+job.Name+": source")
	}
	results := make([]chan []check, len(local))
	for i, f := range local {
		results[i] = make(chan []check, 1)
		go func() { results[i] <- within(ctx, localPatience, names[i], f) }()
	}
	checks := append(first, checkEnvironment())
	checks = append(checks, d.checkServices(ctx)...)
	for _, r := range results {
		checks = append(checks, <-r...)
	}
	return checks
}

// within does a check and fails it when its time is over. What hangs in a dead
// file system cannot be ended and is left behind.
func within(ctx context.Context, limit time.Duration, name string, f func(context.Context) []check) []check {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan []check, 1)
	go func() { done <- f(ctx) }()
	select {
	case checks := <-done:
		return checks
	case <-ctx.Done():
	}
	select { // it may have been about to say more
	case checks := <-done:
		return checks
	case <-time.After(cleanupPatience):
		err := fmt.Errorf("no answer within %v", limit)
		return []check{failure(name, err, "see whether the file system is one of a server that does not answer")}
	}
}

// checkConfig returns no configuration where there is none that can be used.
func (a *app) checkConfig() (*config.Config, []check) {
	const name = "configuration"
	path, explicit := config.Find(a.configFile)
	c, err := a.load(true)
	if err != nil {
		f := failure(name, err, "osssync config check shows all mistakes")
		f.code = exitConfig
		return nil, []check{f}
	}
	switch {
	case len(c.Jobs) == 0 && !explicit && c.OSS.Bucket == "":
		return c, []check{warning(name, noJobsFix, "%s: no job; the rest is checked with defaults", path)}
	case len(c.Jobs) == 0:
		return c, []check{warning(name, noJobsFix, "%s: no job", path)}
	}
	return c, []check{good(name, "%s: %d jobs", path, len(c.Jobs))}
}

const noJobsFix = "add a [[job]] with a name and a source; config.example.toml shows one"

func (a *app) printChecks(checks []check, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(map[string][]check{"checks": checks})
	}
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		if _, err := fmt.Fprintf(a.stdout, "%-4s  %-*s  %s\n", c.Status, width, printable(c.Name), printable(c.Detail)); err != nil {
			return err
		}
		if c.Fix != "" {
			if _, err := fmt.Fprintf(a.stdout, "%*s%s: %s\n", width+8, "", a.tr("fix"), printable(a.tr(c.Fix))); err != nil {
				return err
			}
		}
	}
	return nil
}

// severity orders the exit codes of failures, the worst first: what comes
// first must be put right before the others can be.
var severity = []int{exitConfig, exitNoCreds, exitNoAccess, exitFailed}

// verdict is nil where nothing failed, else an error with the worst exit code.
func verdict(checks []check) error {
	failed, worst := 0, len(severity)-1
	for _, c := range checks {
		if c.Status != statusFail {
			continue
		}
		failed++
		if i := slices.Index(severity, c.code); i >= 0 {
			worst = min(worst, i)
		}
	}
	if failed == 0 {
		return nil
	}
	return &commandError{code: severity[worst], err: fmt.Errorf("doctor: %d of %d checks failed", failed, len(checks))}
}
