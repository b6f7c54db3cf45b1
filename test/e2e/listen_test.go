package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// url returns where the agent serves its metrics and status.
func (d *daemon) url() string {
	d.t.Helper()
	d.waitLog("metrics and status are served")
	for line := range strings.SplitSeq(d.log.String(), "\n") {
		var l struct{ URL string }
		if json.Unmarshal([]byte(line), &l) == nil && l.URL != "" {
			return l.URL
		}
	}
	d.t.Fatal("the log does not tell the address")
	return ""
}

// ask returns the status and body of a page.
func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestListen(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	listen := map[string]map[string]any{"agent": {"listen": "127.0.0.1:0"}}
	config, source := configure(t, b, nil, listen)
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(source, name), "four")
	}
	d := start(t, config)
	url := d.url()
	waitMirror(t, b, source)
	waitFor(t, "health", func() bool { code, body := ask(t, url+"healthz"); return code == 200 && body == "ok\n" })

	var pages strings.Builder
	metrics := func() string {
		code, body := ask(t, url+"metrics")
		if code != 200 {
			t.Fatalf("metrics: %d %s", code, body)
		}
		pages.WriteString(body)
		return body
	}
	for _, want := range []string{
		`osssync_job_indexed_files{job="docs"} 3`,
		`osssync_job_pending_files{job="docs"} 0`,
		`osssync_job_uploaded_files_total{job="docs"} 3`,
		`osssync_job_uploaded_bytes_total{job="docs"} 12`,
		`osssync_job_state{job="docs",state="watching"} 1`,
		`osssync_job_scans_total{job="docs"} 1`,
		`osssync_job_watched_directories{job="docs"} 1`,
		`osssync_credential_expiry_seconds `,
		`osssync_clock_offset_seconds `,
		`osssync_oss_requests_total `,
		`osssync_build_info{version=`,
		`go_goroutines `,
	} {
		waitFor(t, want, func() bool { return strings.Contains(metrics(), "\n"+want) })
	}
	code, page := ask(t, url)
	if code != 200 || !strings.Contains(page, "<td>docs</td>") || strings.Contains(page, "<script") {
		t.Errorf("status page: %d %s", code, page)
	}
	pages.WriteString(page)
	g, _ := b.Authority.Current(b.ECS.Role())
	for _, secret := range []string{g.AccessKeySecret, g.SecurityToken} {
		if secret == "" || strings.Contains(pages.String(), secret) {
			t.Error("a secret is in what is served, or the test knows none")
		}
	}
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// TestHealthOfABrokenJob starts the agent before its source is there.
func TestHealthOfABrokenJob(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"listen": "127.0.0.1:0"}})
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	d := start(t, config)
	url := d.url()
	waitFor(t, "illness", func() bool {
		code, body := ask(t, url+"healthz")
		return code == 503 && strings.Contains(body, "job docs: error: the job does not run: ") && strings.Contains(body, source)
	})
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "health", func() bool { code, _ := ask(t, url+"healthz"); return code == 200 })
}

func TestListenOnAPortInUse(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	config, _ := configure(t, b, nil, map[string]map[string]any{"agent": {"listen": ln.Addr().String()}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, bin, "-c", config, "run").CombinedOutput()
	if code := exitCode(err); code != 1 || !strings.Contains(string(out), "osssync: agent.listen "+ln.Addr().String()) ||
		!strings.Contains(string(out), "hint: ") {
		t.Errorf("exit code %d, output:\n%s", code, out)
	}
}
