package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A summary is the last line of sync --json.
type summary struct{ Uploaded, Failed int64 }

// syncOnce runs `osssync sync` and returns what it counted.
func syncOnce(t *testing.T, config string) (summary, int) {
	t.Helper()
	out, err := exec.Command(bin, "-c", config, "sync", "--json").Output()
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var last struct{ Summary summary }
	if jsonErr := json.Unmarshal(lines[len(lines)-1], &last); jsonErr != nil {
		t.Fatalf("%v in %s (%v)", jsonErr, out, err)
	}
	return last.Summary, exitCode(err)
}

// TestNotStored answers puts with what is no success of OSS: a redirect to
// another server, or a success without a CRC-64. Nothing counts as uploaded, the
// other server sees neither token nor request, and the next pass sends the file.
func TestNotStored(t *testing.T) {
	t.Parallel()
	var strays atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		strays.Add(1)
		w.Header().Set("x-oss-request-id", "R")
		w.Header().Set("x-oss-hash-crc64ecma", "0")
	}))
	t.Cleanup(other.Close)
	for name, fault := range map[string]oss.Fault{
		"redirect": {Op: oss.PutObject, Status: 302, Redirect: other.URL + "/k"},
		"no-crc":   {Op: oss.PutObject, CRC: oss.CRCMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := box.Start(t, box.Options{})
			config, source := configure(t, b, nil, nil)
			write(t, filepath.Join(source, "file"), "content")
			b.OSS.Faults().Add(fault)
			if s, code := syncOnce(t, config); s.Uploaded != 0 || s.Failed != 1 || code != 1 {
				t.Errorf("%+v, exit code %d", s, code)
			}
			b.OSS.Faults().Clear()
			if s, code := syncOnce(t, config); s.Uploaded != 1 || code != 0 {
				t.Errorf("%+v, exit code %d", s, code)
			}
			waitMirror(t, b, source)
			if n := strays.Load(); n != 0 {
				t.Errorf("%d requests went to another server", n)
			}
		})
	}
}

// TestTokenRevokedWhileRunning takes the credential away from a running agent:
// it goes on with the next, and nothing is lost.
func TestTokenRevokedWhileRunning(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "0"), "0")
	start(t, config)
	waitMirror(t, b, source)
	old, _ := b.ECS.Current()
	b.ECS.Rotate()
	b.Authority.Revoke(old.AccessKeyID)
	for _, name := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		write(t, filepath.Join(source, name), name)
	}
	waitMirror(t, b, source)
}
