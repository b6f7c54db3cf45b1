package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/upload"
)

// A storyteller puts what is known of a file into sentences, in the order in
// which people ask.
type storyteller struct {
	tr  func(string) string
	now time.Time // zero: now
}

func (s *storyteller) say(format string, args ...any) string {
	return fmt.Sprintf(s.tr(format), args...)
}

func (s *storyteller) tell(a whyAnswer) []string {
	if s.now.IsZero() {
		s.now = time.Now()
	}
	e := a.Explanation
	all := []string{e.Path}
	if !a.AgentRunning {
		all = append(all, s.say("The agent is not running, or does not answer you; this is what the configuration and the index tell."))
	}
	all = append(all, s.job(e)...)
	if a.JobReason != "" && e.Reason == "" {
		all = append(all, s.say("The job is in the state %q: %s.", a.JobState, a.JobReason))
	}
	all = append(all, s.disk(e.Disk), s.index(a))
	if e.Upload != nil {
		all = append(all, s.say("An upload of it is unfinished: %d parts with %s of %s are there, begun %s.",
			e.Upload.Parts, size(e.Upload.Bytes), size(e.Upload.Size), stamp(e.Upload.Began)))
	}
	if a.AgentRunning {
		all = append(all, s.pending(e))
	}
	return append(all, s.failure(e)...)
}

// job tells whose file it is, and whether it is taken.
func (s *storyteller) job(e agent.Explanation) []string {
	all := []string{s.say("It belongs to job %s.", e.Job)}
	for _, other := range e.Also {
		all = append(all, s.say("Job %s covers it too.", other))
	}
	switch {
	case e.Taken && e.Rule == "":
		all = append(all, s.say("The job takes it: no rule of its filter matches."))
	case e.Taken:
		all = append(all, s.say("The job takes it, by the rule %q.", e.Rule))
	default:
		all = append(all, s.say("The job leaves it out, by the rule %q.", e.Rule))
	}
	if e.KeyError != "" {
		all = append(all, s.say("It can have no object: %s.", e.KeyError))
	}
	if e.Reason != "" {
		all = append(all, s.say("The job does not run: %s.", strings.TrimPrefix(e.Reason, "the job does not run: ")))
	}
	return all
}

func (s *storyteller) disk(d agent.DiskStory) string {
	switch {
	case d.Exists && d.MTime != nil:
		return s.say("On disk: %s (%s bytes), modified %s.", size(d.Size), humanize.Comma(d.Size), stamp(*d.MTime))
	case d.Exists:
		return s.say("On disk: %s (%s bytes).", size(d.Size), humanize.Comma(d.Size))
	case d.Error != "" && d.Error != upload.ErrVanished.Error():
		return s.say("On disk: no file that can be taken: %s.", d.Error)
	}
	return s.say("On disk: nothing.")
}

func (s *storyteller) index(a whyAnswer) string {
	url := func(key string) string {
		if a.Bucket == "" {
			return s.say("key %s", key)
		}
		return "oss://" + a.Bucket + "/" + key
	}
	i := a.Index
	switch {
	case i == nil && a.Taken && a.Key != "":
		return s.say("In OSS: nothing that the index knows of; it would be %s.", url(a.Key))
	case i == nil:
		return s.say("In OSS: nothing that the index knows of.")
	}
	l := s.say("In OSS: %s, %s (%s bytes), CRC-64 %s", url(i.Key), size(i.Size), humanize.Comma(i.Size), i.CRC64)
	if i.Recorded != nil {
		l += s.say(", verified %s", stamp(*i.Recorded))
	}
	switch {
	case i.Assumed:
		l += s.say("; yet to be compared with the file")
	case a.Disk.Exists && a.Disk.MTime != nil && (i.Size != a.Disk.Size || !i.MTime.Equal(*a.Disk.MTime)):
		l += s.say("; the file has changed since")
	case a.Disk.Exists:
		l += s.say("; that is what is on disk")
	}
	return l + s.say(".")
}

// pending tells what the file waits for.
func (s *storyteller) pending(e agent.Explanation) string {
	p := e.Pending
	if p == nil {
		return s.say("Nothing is pending.")
	}
	since := span(seconds64(p.SinceSeconds))
	switch p.Doing {
	case "waiting":
		return s.say("Pending for %s: it is looked at in %s.", since, span(seconds64(p.NextSeconds)))
	case "in line":
		return s.say("Pending for %s: it is in line for a free worker.", since)
	case "in flight":
		return s.say("Pending for %s: it is being worked on now.", since)
	case "held":
		return s.say("Pending for %s: its deletion is held; see osssync status.", since)
	}
	return s.say("Pending for %s: %s.", since, p.Doing)
}

func (s *storyteller) failure(e agent.Explanation) []string {
	f := e.Failure
	if f == nil {
		return nil
	}
	all := []string{s.say("The last attempt failed: %s.", f.Error)}
	if f.RequestID != "" {
		all = append(all, s.say("OSS knows that request as %s.", f.RequestID))
	}
	next := s.say("when the file changes or at the next scan")
	if f.NextTry != nil {
		next = s.say("in %s", span(f.NextTry.Sub(s.now)))
	}
	if f.Attempts == 1 {
		return append(all, s.say("That was the first attempt, at %s; the next one is due %s.", stamp(f.Since), next))
	}
	return append(all, s.say("%d attempts failed since %s; the next one is due %s.", f.Attempts, stamp(f.Since), next))
}

func seconds64(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
