package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

// newWeb returns a server of agent.listen whose agent does not run.
func newWeb(t *testing.T, address string, log *slog.Logger) *web {
	t.Helper()
	c := config.Default()
	c.Agent.Listen, c.Agent.StateDir = address, t.TempDir()
	c.Credentials.MetadataEndpoint = "http://127.0.0.1:9" // nobody asks it
	s := newSession(&c, log)
	ag := agent.New(agent.Options{Config: &c, Jobs: []*config.Job{{Name: "docs"}}, About: s.about})
	p, err := s.listen(t.Context(), ag)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestListenServesAndEnds(t *testing.T) {
	p := newWeb(t, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	base := "http://" + p.ln.Addr().String()
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{"/healthz", 503, "job docs: scanning: the job is being started\n"},
		{"/", 200, "<td>docs</td>"},
		{"/nothing", 404, ""},
	} {
		resp, err := http.Get(base + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("GET %s = %d %q, %v", tt.path, resp.StatusCode, body, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	if conn, err := net.Dial("tcp", p.ln.Addr().String()); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
}

func TestListenNowhere(t *testing.T) {
	c := config.Default()
	p, err := newSession(&c, slog.New(slog.DiscardHandler)).listen(t.Context(), nil)
	if p != nil || err != nil {
		t.Errorf("listen without agent.listen = %v, %v", p, err)
	}
	if err := p.run(t.Context()); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestListenInUse(t *testing.T) {
	first := newWeb(t, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	defer first.ln.Close()
	c := config.Default()
	c.Agent.Listen = first.ln.Addr().String()
	_, err := newSession(&c, slog.New(slog.DiscardHandler)).listen(t.Context(), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "agent.listen "+c.Agent.Listen+": ") || hint(err) == "" {
		t.Errorf("error = %v, hint %q", err, hint(err))
	}
}

func TestListenWarnsOfOtherMachines(t *testing.T) {
	for _, tt := range []struct {
		address string
		warns   int
	}{{"127.0.0.1:0", 0}, {"localhost:0", 0}, {"0.0.0.0:0", 1}, {":0", 1}} {
		var log strings.Builder
		p := newWeb(t, tt.address, slog.New(slog.NewTextHandler(&log, nil)))
		p.ln.Close()
		if n := strings.Count(log.String(), "level=WARN"); n != tt.warns {
			t.Errorf("%s: %d warnings, want %d: %s", tt.address, n, tt.warns, log.String())
		}
	}
}

// TestListenGuard plays the web site whose name its owner lets point here.
func TestListenGuard(t *testing.T) {
	p := newWeb(t, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	defer p.ln.Close()
	for _, tt := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", "127.0.0.1:9464", "/", 200},
		{"HEAD", "127.0.0.1:9464", "/", 200},
		{"GET", "[::1]:9464", "/", 200},
		{"GET", "LocalHost", "/", 200},
		{"GET", "evil.example:9464", "/", 421},
		{"GET", "localhost.evil.example", "/healthz", 421},
		{"POST", "localhost:9464", "/", 405},
		{"DELETE", "localhost:9464", "/healthz", 405},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s %s at %s = %d, want %d", tt.method, tt.path, tt.host, w.Code, tt.want)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s at %s: no policy for its content", tt.method, tt.path, tt.host)
		}
	}
}

func TestStatusPageEscapes(t *testing.T) {
	evil := `<script>alert("x")</script>`
	now := time.Now()
	st := agent.Status{
		Version:     evil,
		Credentials: agent.CredentialStatus{Role: evil, Source: evil, Expires: &now},
		Jobs: []agent.JobStatus{{
			Name: evil, State: plan.Failing, Reason: evil, FailedFiles: 1, Watch: agent.WatchStatus{Mode: evil},
			Failed: []agent.FailureStatus{{Path: evil, Error: evil, NextTry: &now}, {Path: evil}},
		}},
	}
	var page strings.Builder
	if err := pageTemplate().Execute(&page, st); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<script") || strings.Count(page.String(), "&lt;script&gt;") != 10 {
		t.Errorf("page = %s", page.String())
	}
}

func TestAilments(t *testing.T) {
	well := agent.JobStatus{Name: "well", State: plan.Watching, Running: true, Reason: "deletions are held"}
	ill := agent.JobStatus{Name: "ill", State: plan.Failing, Running: true, Reason: errors.New("AccessDenied\nsecond line").Error()}
	held := agent.JobStatus{Name: "held", State: plan.Paused, Running: true, Reason: "paused by hand"}
	st := agent.Status{Jobs: []agent.JobStatus{well}}
	if got := ailments(st); len(got) != 0 {
		t.Errorf("ailments of the well = %q", got)
	}
	st.Jobs = append(st.Jobs, ill, held)
	st.Credentials.Error = "no role"
	want := []string{"credential: no role", `job ill: error: AccessDenied\x0asecond line`, "job held: paused: paused by hand"}
	if got := strings.Join(ailments(st), "|"); got != strings.Join(want, "|") {
		t.Errorf("ailments = %s", got)
	}
}
