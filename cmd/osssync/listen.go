package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/plan"
)

// webClose is how long requests that are under way may go on when the agent
// has ended.
const webClose = time.Second

// A web is the server of agent.listen: what the agent is doing, for people,
// Prometheus and health checks. It changes nothing.
type web struct {
	s        *session
	agent    *agent.Agent
	ln       net.Listener
	loopback bool
	page     *template.Template
}

// listen opens agent.listen. It returns nil where that is not set.
func (s *session) listen(ctx context.Context, ag *agent.Agent) (*web, error) {
	address := s.config.Agent.Listen
	if address == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, listenError(address, err)
	}
	p := &web{s: s, agent: ag, ln: ln, loopback: isLoopback(ln.Addr()), page: pageTemplate()}
	s.log.InfoContext(ctx, "metrics and status are served", "url", "http://"+ln.Addr().String()+"/")
	if !p.loopback {
		s.log.WarnContext(ctx, "metrics and status are open to other machines, without a password", "err",
			fmt.Errorf("agent.listen %s is no loopback address", address))
	}
	return p, nil
}

func listenError(address string, err error) error {
	if se, ok := errors.AsType[*os.SyscallError](err); ok {
		err = se // the rest of it repeats the address
	}
	return &commandError{
		code: exitFailed,
		err:  fmt.Errorf("agent.listen %s: %w", address, err),
		hint: "set agent.listen to an address of this machine and a port that no other program uses",
	}
}

func isLoopback(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// run serves until ctx is done. It may be called on nil, which serves nothing.
func (p *web) run(ctx context.Context) error {
	if p == nil {
		return nil
	}
	srv := &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(p.s.log.Handler(), slog.LevelDebug),
	}
	end := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(end)
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), webClose)
		defer cancel()
		if srv.Shutdown(sctx) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(p.ln)
	if stop() {
		srv.Close()
		return fmt.Errorf("agent.listen %s: %w", p.s.config.Agent.Listen, err)
	}
	<-end
	return nil
}

func (p *web) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", p.healthz)
	mux.HandleFunc("GET /{$}", p.index)
	mux.Handle("GET /metrics", p.metrics())
	return p.guard(mux)
}

// guard lets no web site read what a loopback address serves: a name that its
// owner lets point to this machine is refused.
func (p *web) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		if p.loopback && !isLocalName(r.Host) {
			http.Error(w, "ask for this page by address or as localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// ailments returns why the agent is not well, a line for each cause.
func ailments(st agent.Status) []string {
	var causes []string
	if e := st.Credentials.Error; e != "" {
		causes = append(causes, "credential: "+printable(e))
	}
	for _, j := range st.Jobs {
		if j.Running && (j.State == plan.Scanning || j.State == plan.Watching) {
			continue
		}
		causes = append(causes, printable(fmt.Sprintf("job %s: %s: %s", j.Name, j.State, j.Reason)))
	}
	return causes
}

func (p *web) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	causes := ailments(p.agent.Status(r.Context()))
	if len(causes) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(causes, "\n"))
}
