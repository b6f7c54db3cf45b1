package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

const (
	// homeHeader names, in a request, the socket that only an agent with the
	// same state directory has, so that one with another lets it pass.
	homeHeader = "Osssync-Home"

	// configHeader names the configuration file of who asks, as a path of a URL.
	// An agent that was started with it answers, whatever its state directory.
	configHeader = "Osssync-Config"

	writeTime = 10 * time.Second // for a whole answer, once it is known
	closeTime = time.Second      // for requests under way when the agent has ended
)

// errStopping is the answer to those who wait when the agent is told to stop.
var errStopping = errors.New("agent is stopping")

// A control answers the requests of a Client.
type control struct {
	agent *Agent
	home  string
}

// A caller is who asks.
type caller struct {
	user    string // for the log, "" where it cannot be told
	pid     int
	allowed bool
}

// callerKey is the caller's in the context of a request.
type callerKey struct{}

// startControl serves the control socket. That ends with the function that it
// returns: whoever waits is told when ctx is done, but what the agent is doing
// can be asked until its last upload has ended. An agent that can have no
// socket says so in its log and does its work all the same.
func (a *Agent) startControl(ctx context.Context) (end func()) {
	if len(a.opt.Sockets) == 0 {
		return func() {}
	}
	ln, err := listenAny(ctx, a.opt.Sockets, a.log)
	if err != nil {
		a.log.ErrorContext(ctx, "no control socket: status, wait and the like cannot reach this agent", "err", err)
		return func() {}
	}
	a.log.InfoContext(ctx, "control socket is open", "path", ln.Addr().String())
	c := &control{agent: a, home: a.opt.Sockets[len(a.opt.Sockets)-1]}
	srv := c.server(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.log.ErrorContext(ctx, "control socket failed", "err", err)
		}
	})
	return func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if srv.Shutdown(late) != nil {
			srv.Close()
		}
		wg.Wait()
	}
}

// listenAny opens the first of the sockets that can be opened.
func listenAny(ctx context.Context, sockets []string, log *slog.Logger) (net.Listener, error) {
	var errs []error
	for _, socket := range sockets {
		ln, err := listenSocket(ctx, socket)
		if err == nil {
			for _, e := range errs {
				if !errors.Is(e, fs.ErrNotExist) { // a directory that nobody made
					log.WarnContext(ctx, "control socket is elsewhere", "err", e)
				}
			}
			return ln, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// server returns the server of the socket. Whoever waits is told when stopping
// is done.
func (c *control) server(stopping context.Context) *http.Server {
	return &http.Server{
		Handler:           c.guard(c.routes(stopping)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10, // a path of 4,096 bytes, escaped, several times
		ErrorLog:          slog.NewLogLogger(c.agent.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, callerOf(conn))
		},
	}
}

func (c *control) routes(stopping context.Context) *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /status":   c.status,
		"GET /wait":     c.wait,
		"GET /receipt":  c.receipt,
		"GET /why":      c.why,
		"POST /rescan":  c.rescan,
		"POST /pause":   c.pause,
		"POST /resume":  c.resume,
		"POST /retry":   c.retry,
		"POST /approve": c.approve,
		"POST /reload":  c.reload,
		"POST /recheck": c.recheck,
	} {
		mux.HandleFunc(pattern, c.answer(stopping, h))
	}
	return mux
}

// guard lets in who may ask.
func (c *control) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := r.Context().Value(callerKey{}).(caller)
		home, file := r.Header.Get(homeHeader), r.Header.Get(configHeader)
		switch {
		case !who.allowed:
			c.agent.log.WarnContext(r.Context(), "stranger at the control socket", "user", who.user, "pid", who.pid)
			reply(w, http.StatusForbidden, problem{Error: "permission denied: only root, the agent's user and the group of its socket may ask"})
		case home != "" && home != c.home && (file == "" || file != url.PathEscape(c.agent.opt.ConfigFile)):
			reply(w, http.StatusMisdirectedRequest, problem{Error: "this agent has another state directory"})
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			next.ServeHTTP(w, r)
		}
	})
}

// A handler returns what is answered to a request.
type handler func(ctx context.Context, jobs []*config.Job, r *http.Request) (any, error)

// answer makes a handler one of HTTP. Its context ends when the client goes or
// the agent is told to stop.
func (c *control) answer(stopping context.Context, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			reply(w, http.StatusBadRequest, problem{Error: "read request: " + err.Error()})
			return
		}
		// The whole request is here. All that the connection brings now is its
		// end, for which there is time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		stop := context.AfterFunc(stopping, func() { cancel(errStopping) })
		defer stop()
		jobs, err := c.agent.roster.resolve(r.Form["job"])
		var body any
		if err == nil {
			body, err = h(ctx, jobs, r)
		}
		if cause := context.Cause(ctx); errors.Is(cause, errStopping) && err != nil {
			err = cause
		}
		if err != nil {
			status, p := problemOf(err)
			reply(w, status, p)
			return
		}
		reply(w, http.StatusOK, body)
	}
}

// reply writes an answer.
func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // no type here can make it fail
		status, text = http.StatusInternalServerError, []byte(`{"error":"answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // whoever asked may have left
}

// problemOf returns what is answered in place of err.
func problemOf(err error) (status int, p problem) {
	p.Error = err.Error()
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		p.Hint = h.Hint()
	}
	if e, ok := errors.AsType[*UnknownJobError](err); ok {
		p.Job, p.Jobs = e.Job, e.Jobs
		return http.StatusNotFound, p
	}
	if errors.Is(err, plan.ErrNothingHeld) {
		held := false
		p.Held = &held
		return http.StatusConflict, p
	}
	if errors.Is(err, errStopping) {
		return http.StatusServiceUnavailable, p
	}
	all := config.Mistakes(err)
	if len(all) == 0 {
		return http.StatusInternalServerError, p
	}
	for _, m := range all {
		p.Mistakes = append(p.Mistakes, mistake{m.File, m.Line, m.Column, m.Key, m.Err.Error(), m.Hint})
	}
	return http.StatusUnprocessableEntity, p
}
