package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A source is what is built.
type source struct {
	version string // semver, without "v"
	commit  string
	date    time.Time // of the commit, UTC
}

func (s source) stamp() string { return s.date.Format(time.RFC3339) }

// describe asks git what the working tree holds. A commit with a tag vX.Y.Z is
// that version; any other is the last one's, with "+git" and its time, which
// every package format sorts after it and before the next.
func describe(ctx context.Context, version string) (source, error) {
	var s source
	commit, err := git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return s, err
	}
	epoch, err := git(ctx, "log", "-1", "--format=%ct")
	if err != nil {
		return s, err
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return s, err
	}
	s.commit, s.date = commit, time.Unix(seconds, 0).UTC()
	if version == "" {
		tag, _ := git(ctx, "describe", "--tags", "--match", "v[0-9]*", "--abbrev=0")
		exact, _ := git(ctx, "describe", "--tags", "--match", "v[0-9]*", "--exact-match")
		version = versionOf(tag, exact, s.date)
	}
	if !regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?(\+[0-9A-Za-z.]+)?$`).MatchString(version) {
		return s, fmt.Errorf("version %q is not of the form X.Y.Z", version)
	}
	s.version = version
	return s, nil
}

// versionOf returns the version of a commit by the last tag before it, "" for
// none, and the one it has itself.
func versionOf(tag, exact string, date time.Time) string {
	if exact != "" {
		return strings.TrimPrefix(exact, "v")
	}
	if tag == "" {
		tag = "v0.0.0"
	}
	return strings.TrimPrefix(tag, "v") + "+git" + date.Format("20060102150405")
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(e.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
