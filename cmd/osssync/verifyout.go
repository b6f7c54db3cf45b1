package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
)

// A verifyLine is a line of verify --json about one path.
type verifyLine struct {
	Kind   agent.Kind `json:"kind"`
	Job    string     `json:"job"`
	Path   string     `json:"path"`
	Key    string     `json:"key"`
	Reason string     `json:"reason"`
}

// A verifyTotals is the last line of verify --json.
type verifyTotals struct {
	Files    int64   `json:"files"` // compared
	Missing  int64   `json:"missing"`
	Differs  int64   `json:"differs"`
	Pending  int64   `json:"pending"`
	Gone     int64   `json:"gone"`
	Unread   int64   `json:"unread"`
	Strange  int64   `json:"strange"`
	Repaired int64   `json:"repaired"` // files to be sent again because of that
	Uploaded int64   `json:"uploaded"` // by the pass that followed; or those of them that the agent has made good
	Failed   int64   `json:"failed"`
	Requests int64   `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

// progressEvery is how often the count on a terminal changes.
const progressEvery = 100 * time.Millisecond

// A verifyOutput turns what verify finds into lines, a running count and
// totals. Its methods may be called concurrently.
type verifyOutput struct {
	app   *app
	json  bool
	begun time.Time
	shows bool // how far it is, on a terminal

	mu       sync.Mutex
	out      *bufio.Writer
	shown    time.Time // the count, last; zero while none stands there
	uploaded int64
	failed   int64
	firstErr error // of a file that could not be sent
	held     error // why deletions are held
}

func newVerifyOutput(a *app, asJSON bool) *verifyOutput {
	return &verifyOutput{app: a, json: asJSON, begun: time.Now(), shows: isTerminal(a.stderr), out: bufio.NewWriter(a.stdout)}
}

// difference takes one difference.
func (o *verifyOutput) difference(d agent.Difference) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.json:
		// The bytes of a name that is no UTF-8 are replaced.
		_ = json.NewEncoder(o.out).Encode(verifyLine{d.Kind, d.Job, d.Path, d.Key, d.Reason})
	case d.Kind != agent.Strange:
		o.clear()
		fmt.Fprintf(o.out, "%-7s  %s  %s -> %s (%s)\n", d.Kind, d.Job, printable(d.Path), printable(d.Key), printable(d.Reason))
	}
	if o.shows {
		o.out.Flush()
	}
}

// progress shows how many files were compared.
func (o *verifyOutput) progress(files int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.shows || time.Since(o.shown) < progressEvery {
		return
	}
	o.shown = time.Now()
	fmt.Fprintf(o.app.stderr, "\r%d files compared ", files)
}

// clear takes the count off the terminal.
func (o *verifyOutput) clear() {
	if !o.shown.IsZero() {
		fmt.Fprintf(o.app.stderr, "\r%30s\r", "")
		o.shown = time.Time{}
	}
}

// event takes what the pass that follows does.
func (o *verifyOutput) event(e plan.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var hold *plan.HoldError
	switch {
	case errors.As(e.Err, &hold) && e.Path != "":
		// One of the deletions that the job as a whole tells of.
	case errors.As(e.Err, &hold):
		o.held = hold
	case e.Err != nil && e.Final:
		o.failed++
		if o.firstErr == nil {
			o.firstErr = e.Err
		}
	case e.Err == nil && e.Action == upload.Upload:
		o.uploaded++
	}
}

// finish prints the totals.
func (o *verifyOutput) finish(v agent.Verified, requests int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	t := verifyTotals{
		Files: v.Files, Missing: v.Missing, Differs: v.Differ, Pending: v.Pending, Gone: v.Gone, Unread: v.Unread,
		Strange: v.Strange, Repaired: v.Repaired, Uploaded: o.uploaded + v.Resent, Failed: o.failed,
		Requests: requests, Seconds: time.Since(o.begun).Seconds(),
	}
	if o.json {
		_ = json.NewEncoder(o.out).Encode(map[string]verifyTotals{"summary": t})
	} else {
		fmt.Fprintf(o.out, "compared: %d files; %d missing, %d differ in the bucket; %d pending, %d gone, %d unread on disk; %d objects not in the index; %d requests, %.1f s\n",
			t.Files, t.Missing, t.Differs, t.Pending, t.Gone, t.Unread, t.Strange, t.Requests, t.Seconds)
		if t.Repaired > 0 {
			fmt.Fprintf(o.out, "repaired: %d to be sent again, %d sent, %d failed\n", t.Repaired, t.Uploaded, t.Failed)
		}
	}
	o.out.Flush()
}
