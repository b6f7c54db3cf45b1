package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/upload"
)

// maxFailLines bounds the failures that are printed for people.
const maxFailLines = 20

// A syncLine is a line of sync --json about one path.
type syncLine struct {
	Action string `json:"action"`
	Job    string `json:"job"`
	Path   string `json:"path"`
	Key    string `json:"key"`
	Bytes  int64  `json:"bytes"`
	Reason string `json:"reason"`
	Error  string `json:"error"`
	Held   string `json:"held,omitempty"` // the action that is held, for the reason
}

// A syncTotals is the last line of sync --json.
type syncTotals struct {
	Uploaded int64   `json:"uploaded"`
	Copied   int64   `json:"copied"`
	Deleted  int64   `json:"deleted"`
	Skipped  int64   `json:"skipped"`
	Failed   int64   `json:"failed"`
	Bytes    int64   `json:"bytes"`
	Requests int64   `json:"requests"`
	Seconds  float64 `json:"seconds"`
	Held     int64   `json:"held"` // deletions
}

// A syncOutput turns the outcomes of a pass into lines, a bar and totals. Its
// methods may be called concurrently.
type syncOutput struct {
	app    *app
	json   bool
	dryRun bool
	begun  time.Time

	mu       sync.Mutex
	out      *bufio.Writer
	lines    *json.Encoder // to out
	bar      *progress
	totals   syncTotals
	firstErr error // of a file that failed for good
	held     error // why deletions are held
}

func newSyncOutput(a *app, asJSON, dryRun bool) *syncOutput {
	o := &syncOutput{app: a, json: asJSON, dryRun: dryRun, begun: time.Now(), out: bufio.NewWriter(a.stdout)}
	o.lines = json.NewEncoder(o.out)
	if !dryRun && isTerminal(a.stderr) {
		o.bar = a.progress("sent", -1) // how much there is, the scan is still to tell
	}
	return o
}

// event takes one outcome.
func (o *syncOutput) event(e plan.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var hold *plan.HoldError
	switch {
	case errors.As(e.Err, &hold) && e.Path != "":
		o.totals.Held++
		o.print(syncLine{Action: "skip", Job: e.Job, Path: e.Path, Key: e.Key, Reason: hold.Reason, Held: names[e.Action]})
		return
	case errors.As(e.Err, &hold):
		o.held = hold
		fmt.Fprintf(o.app.stderr, "osssync: sync %s: %s\n", e.Job, printable(hold.Error()))
		return
	case e.Err != nil && !e.Final:
		return // it will be tried again
	case e.Err != nil && e.Path == "":
		o.firstErr = errors.Join(o.firstErr, e.Err)
		o.totals.Failed++
	case e.Err != nil:
		if o.firstErr == nil {
			o.firstErr = e.Err
		}
		o.totals.Failed++
	default:
		o.count(e)
	}
	o.line(e)
}

func (o *syncOutput) count(e plan.Event) {
	switch e.Action {
	case upload.Upload:
		o.totals.Uploaded++
		o.totals.Bytes += e.Bytes
		if o.dryRun {
			o.totals.Requests += upload.Requests(e.Bytes)
		}
	case upload.Copy:
		o.totals.Copied++
	case upload.Delete, upload.Trash:
		o.totals.Deleted++
	default:
		o.totals.Skipped++
		return
	}
	if o.dryRun && e.Action != upload.Upload {
		o.totals.Requests++
	}
}

// names are the words of the JSON lines. What changes nothing in the bucket is
// a skip there.
var names = map[upload.Action]string{
	upload.Skip:   "skip",
	upload.Upload: "upload",
	upload.Touch:  "skip",
	upload.Copy:   "copy",
	upload.Delete: "delete",
	upload.Trash:  "trash",
	upload.Forget: "skip",
}

func (o *syncOutput) line(e plan.Event) {
	l := syncLine{Action: names[e.Action], Job: e.Job, Path: e.Path, Key: e.Key, Bytes: e.Bytes, Reason: e.Reason}
	if e.Err != nil {
		l.Action, l.Error = "fail", e.Err.Error()
	}
	o.print(l)
}

func (o *syncOutput) print(l syncLine) {
	switch {
	case o.json:
		// The bytes of a name that is no UTF-8 are replaced; the error says so.
		_ = o.lines.Encode(l)
	case l.Action == "fail" && o.totals.Failed > maxFailLines:
	case l.Action == "fail":
		fmt.Fprintf(o.app.stderr, "osssync: %s %s: %s\n", l.Job, printable(l.Path), printable(l.Error))
	case l.Held != "" && (o.dryRun || o.bar == nil):
		fmt.Fprintf(o.out, "%-6s %s -> %s (%s: %s)\n", "held", printable(l.Path), printable(l.Key), l.Held, printable(l.Reason))
	case l.Action == "skip":
	case o.dryRun:
		fmt.Fprintf(o.out, "%-6s %s -> %s (%s)\n", l.Action, printable(l.Path), printable(l.Key), l.Reason)
	case o.bar == nil:
		fmt.Fprintf(o.out, "%-6s %s -> %s\n", l.Action, printable(l.Path), printable(l.Key))
	}
}

// finish prints the totals, with the files that were found unchanged and were
// worth no event. failed says that the pass itself did not succeed.
func (o *syncOutput) finish(unchanged, requests int64, failed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bar.close()
	if more := o.totals.Failed - maxFailLines; more > 0 && !o.json {
		fmt.Fprintf(o.app.stderr, "osssync: and %d more failed; --json shows all\n", more)
	}
	o.totals.Skipped += unchanged
	if !o.dryRun {
		o.totals.Requests = requests
	}
	o.totals.Seconds = time.Since(o.begun).Seconds()
	t := o.totals
	switch {
	case o.json:
		_ = o.lines.Encode(map[string]syncTotals{"summary": t})
	case failed && t == (syncTotals{Seconds: t.Seconds}):
		// The error says all there is to say.
	default:
		verb := "done"
		if o.dryRun {
			verb = "planned"
		}
		held := ""
		if t.Held > 0 {
			held = fmt.Sprintf(" %d deletions held,", t.Held)
		}
		fmt.Fprintf(o.out, "%s: %d uploaded (%s), %d copied, %d deleted,%s %d unchanged, %d failed; %d requests, %.1f s\n",
			verb, t.Uploaded, humanize.IBytes(uint64(t.Bytes)), t.Copied, t.Deleted, held, t.Skipped, t.Failed, t.Requests, t.Seconds)
	}
	o.out.Flush()
}
