package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/osssync/osssync/internal/plan"
)

const (
	// replyTime bounds the wait for an answer to all that is answered at once.
	replyTime = time.Minute
	// partingTime bounds the wait for the receipt of a wait that was ended early.
	partingTime = 800 * time.Millisecond
	// maxReply bounds what is read of an answer, bytes.
	maxReply = 64 << 20
	// maxForm bounds the body of a request, bytes; longer lists are sent in
	// several.
	maxForm = 1 << 20
)

// ErrNotRunning means that no agent listens, or that it ended before it
// answered.
var ErrNotRunning = errors.New("agent is not running")

// A Client talks to the running agent over its control socket. It is safe for
// concurrent use.
type Client struct {
	doors  []door
	home   string // the socket that only an agent of the same state directory has
	config string // the file that an agent elsewhere was started with; "" for none
	others []door // where that one may be, too
}

// NewClient returns a client of the agent that listens at one of the sockets,
// which are tried in order; config.Sockets tells them. It asks nothing yet.
func NewClient(sockets []string) *Client {
	c := &Client{}
	for _, socket := range sockets {
		c.home = socket
		c.doors = append(c.doors, newDoor(socket))
	}
	return c
}

// Elsewhere makes c content with an agent of another state directory, if it was
// started with this configuration file and none of its own is there: the file may
// have been changed since, or be gone. Such an agent may listen at other sockets
// too. The path is absolute.
func (c *Client) Elsewhere(file string, sockets []string) *Client {
	c.config = file
	for _, socket := range sockets {
		if !slices.ContainsFunc(c.doors, func(d door) bool { return d.socket == socket }) {
			c.others = append(c.others, newDoor(socket))
		}
	}
	return c
}

// Status returns what the agent is doing, of one job or, with "", of all. An
// error for a job that it does not have is an *UnknownJobError.
func (c *Client) Status(ctx context.Context, job string) (Status, error) {
	var st Status
	err := c.soon(ctx, http.MethodGet, "status", jobForm(job), &st)
	return st, err
}

// Wait returns once every change made before the call is verified in OSS, of
// these jobs or, with none, of all. A job that is paused by hand is not waited
// for. When ctx ends first, its error is returned with a receipt of what is
// known then, which is empty if the agent does not tell. A deadline that has
// passed leaves the agent the time to look whether there is anything to wait
// for.
func (c *Client) Wait(ctx context.Context, jobs []string) (Receipt, error) {
	form := url.Values{"job": jobs}
	asking := ctx
	if at, ok := ctx.Deadline(); ok {
		form.Set("most", max(time.Until(at), 0).String())
		var cancel context.CancelFunc
		asking, cancel = pastDeadline(ctx, partingTime)
		defer cancel()
	}
	var r Receipt
	err := c.do(asking, http.MethodGet, "wait", form, &r)
	switch {
	case err == nil && slices.ContainsFunc(r.Jobs, func(j JobReceipt) bool { return j.TimedOut }):
		return r, context.DeadlineExceeded
	case asking.Err() == nil:
		return r, err
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTime)
	defer cancel()
	// What cannot be told any more is left out.
	_ = c.do(late, http.MethodGet, "receipt", url.Values{"job": jobs}, &r)
	return r, cmp.Or(ctx.Err(), asking.Err())
}

// pastDeadline returns a context that ends as ctx does, but a while after its
// deadline.
func pastDeadline(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	at, _ := ctx.Deadline()
	past, cancel := context.WithDeadline(context.WithoutCancel(ctx), later(at, time.Now()).Add(while))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return past, func() { stop(); cancel() }
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Why returns the story of one file by its absolute path on this machine.
func (c *Client) Why(ctx context.Context, path string) (Explanation, error) {
	var e Explanation
	err := c.soon(ctx, http.MethodGet, "why", url.Values{"path": {path}}, &e)
	return e, err
}

// Rescan asks for a scan of the whole source of these jobs or, with none, of
// all. It returns the jobs that were told and does not wait for them.
func (c *Client) Rescan(ctx context.Context, jobs []string) ([]string, error) {
	return c.tell(ctx, "rescan", jobs)
}

// Pause stops the uploads of these jobs or, with none, of all until Resume, or
// until the agent ends. What is under way goes on. It returns the jobs told.
func (c *Client) Pause(ctx context.Context, jobs []string) ([]string, error) {
	return c.tell(ctx, "pause", jobs)
}

// Resume ends Pause and returns the jobs told.
func (c *Client) Resume(ctx context.Context, jobs []string) ([]string, error) {
	return c.tell(ctx, "resume", jobs)
}

// Retry makes these jobs or, with none, all try at once what has failed. It
// returns the jobs told.
func (c *Client) Retry(ctx context.Context, jobs []string) ([]string, error) {
	return c.tell(ctx, "retry", jobs)
}

// Approve lets a job do the deletions that it holds. An error wraps
// plan.ErrNothingHeld where there is nothing to approve.
func (c *Client) Approve(ctx context.Context, job string) error {
	if err := c.soon(ctx, http.MethodPost, "approve", jobForm(job), nil); errors.Is(err, plan.ErrNothingHeld) {
		return fmt.Errorf("approve %s: %w", job, err)
	} else if err != nil {
		return err
	}
	return nil
}

// Reload makes the agent read its configuration anew. When that has mistakes
// nothing changes, and the error joins them, each a *config.Error.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var r Reloaded
	err := c.soon(ctx, http.MethodPost, "reload", nil, &r)
	return r, err
}

// Recheck makes a job distrust, durably, what it knows of these files and look at
// them again, so that each is sent once more whose object is not what it should
// be. The paths are absolute or relative to the source with / between the
// elements. It returns how many were handed over.
func (c *Client) Recheck(ctx context.Context, job string, paths []string) (int, error) {
	total := 0
	for len(paths) > 0 {
		form, size := jobForm(job), 0
		for len(paths) > 0 && size+3*len(paths[0]) < maxForm/2 {
			form.Add("path", paths[0])
			size += len("&path=") + 3*len(paths[0])
			paths = paths[1:]
		}
		if size == 0 {
			return total, fmt.Errorf("recheck %s: path too long", job)
		}
		var n struct {
			Files int `json:"files"`
		}
		if err := c.soon(ctx, http.MethodPost, "recheck", form, &n); err != nil {
			return total, err
		}
		total += n.Files
	}
	return total, nil
}

func jobForm(job string) url.Values {
	if job == "" {
		return url.Values{}
	}
	return url.Values{"job": {job}}
}

func (c *Client) tell(ctx context.Context, verb string, jobs []string) ([]string, error) {
	var r struct {
		Jobs []string `json:"jobs"`
	}
	err := c.soon(ctx, http.MethodPost, verb, url.Values{"job": jobs}, &r)
	return r.Jobs, err
}

// soon is do for what is answered at once.
func (c *Client) soon(ctx context.Context, method, verb string, form url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	return c.do(ctx, method, verb, form, into)
}
