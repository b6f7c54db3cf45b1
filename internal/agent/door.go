package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A door is one of the addresses at which the agent may be.
type door struct {
	socket string
	http   *http.Client
}

func newDoor(socket string) door {
	return door{socket, &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialSocket(ctx, socket)
			},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do asks the first agent that is there and has the same state directory; or
// else one that was started with the same configuration file.
func (c *Client) do(ctx context.Context, method, verb string, form url.Values, into any) error {
	head := http.Header{homeHeader: {c.home}}
	err := try(ctx, c.doors, head, method, verb, form, into)
	if _, absent := errors.AsType[*absentError](err); !absent || c.config == "" {
		return err
	}
	head.Set(configHeader, url.PathEscape(c.config))
	return try(ctx, slices.Concat(c.doors, c.others), head, method, verb, form, into)
}

// try asks at one door after the other. The error is an *absentError if nobody
// was there who would have answered.
func try(ctx context.Context, doors []door, head http.Header, method, verb string, form url.Values, into any) error {
	var absent absentError
	var denied error
	for _, d := range doors {
		err := d.ask(ctx, head, method, verb, form, into)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("ask agent: %w", ctx.Err())
		case errors.Is(err, fs.ErrNotExist):
			absent.tried = append(absent.tried, "no socket at "+d.socket)
		case isNoListener(err):
			absent.tried = append(absent.tried, "nobody listens at "+d.socket)
		case errors.Is(err, errMisdirected):
			absent.tried = append(absent.tried, "the one at "+d.socket+" has another state directory")
		case errors.Is(err, fs.ErrPermission):
			if denied == nil {
				denied = &fs.PathError{Op: "control socket", Path: d.socket, Err: fs.ErrPermission}
			}
		default:
			return err
		}
	}
	if denied != nil {
		return denied
	}
	return &absentError{absent.tried}
}

// An absentError is ErrNotRunning with what was found in place of the agent.
type absentError struct{ tried []string }

func (e *absentError) Error() string {
	return ErrNotRunning.Error() + ": " + strings.Join(e.tried, ", ")
}

// Unwrap returns ErrNotRunning.
func (e *absentError) Unwrap() error { return ErrNotRunning }

// errMisdirected is the answer of an agent with another state directory.
var errMisdirected = errors.New("agent of another state directory")

// ask sends one request to the agent at the door.
func (d door) ask(ctx context.Context, head http.Header, method, verb string, form url.Values, into any) error {
	target, body := "http://osssync/"+verb, io.Reader(nil)
	if method == http.MethodGet {
		target += "?" + form.Encode()
	} else {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	req.Header = head.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return callError(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return callError(err)
	}
	if resp.StatusCode == http.StatusForbidden {
		return fs.ErrPermission
	}
	if resp.StatusCode != http.StatusOK {
		return readProblem(resp.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read answer of the agent: %w", err)
	}
	return nil
}

// callError makes what broke a call short: the URL in it is of no use to
// anybody, and an agent that ends in mid-answer is one that does not run.
func callError(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || !isEnd(err) {
		return err
	}
	return fmt.Errorf("%w any more", ErrNotRunning)
}

func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
