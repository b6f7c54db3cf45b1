package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

func TestOSSComesBack(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "first"), "1")
	d := start(t, config)
	waitMirror(t, b, source)
	if err := b.Down(box.OSS); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "second"), "2")
	d.waitLog("not uploaded, will retry")
	if err := b.Up(box.OSS); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
}

func TestFaultsOfTheServer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]oss.Fault{
		"unavailable":    {Status: 503, Code: "ServiceUnavailable", Rate: 0.3},
		"throttled":      oss.Throttled(20 * time.Millisecond),
		"html":           oss.BadGateway(),
		"reset":          {Reset: oss.ResetRequest, Rate: 0.3},
		"reply lost":     {LoseReply: true, Rate: 0.3},
		"wrong crc":      {CRC: oss.CRCWrong, Rate: 0.3},
		"no crc":         {CRC: oss.CRCMissing, Rate: 0.3},
		"redirect":       {Status: 302, Redirect: "http://127.0.0.1:1/", Rate: 0.3},
		"expired token":  {Token: oss.TokenExpired, Rate: 0.1},
		"internal error": {Status: 500, Code: "InternalError", Rate: 0.3},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			b := box.Start(t, box.Options{})
			config, source := configure(t, b, nil, nil)
			for i := range 60 {
				if err := writeRandom(filepath.Join(source, fmt.Sprint(i)), int64(i*1000), byte(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := writeRandom(filepath.Join(source, "large"), 20<<20, 1); err != nil {
				t.Fatal(err)
			}
			fault.Count = 40
			b.OSS.Faults().Add(fault)
			start(t, config)
			waitMirror(t, b, source)
		})
	}
}

// TestStartWithoutMetadata starts the agent while nobody answers at the
// metadata address. It must not end, and must go on by itself.
func TestStartWithoutMetadata(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"prefix": "{instance_id}/"}, nil)
	write(t, filepath.Join(source, "file"), "x")
	if err := b.Down(box.Metadata); err != nil {
		t.Fatal(err)
	}
	d := start(t, config)
	d.waitLog("job not running")
	if err := b.Up(box.Metadata); err != nil {
		t.Fatal(err)
	}
	b.WaitForKeys(t, patience, b.ECS.Options().InstanceID+"/file")
	d.stop(syscall.SIGTERM)
}

// TestRoleComesLater starts without a role; one is attached while it runs.
func TestRoleComesLater(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	role := b.ECS.Role()
	b.ECS.SetRole("")
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "file"), "x")
	d := start(t, config)
	d.waitLog("not uploaded, will retry")
	b.ECS.SetRole(role)
	waitMirror(t, b, source)
}

// TestSourceComesLater starts without the source, as before a mount.
func TestSourceComesLater(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	d := start(t, config)
	d.waitLog("job not running")
	write(t, filepath.Join(source, "file"), "x")
	waitMirror(t, b, source)
}

// TestSourceLost takes the source away, and puts an empty directory in its
// place: nothing may be deleted, though the job mirrors. When the files are
// back, nothing is sent again.
func TestSourceLost(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"deletes": "mirror"}, map[string]map[string]any{"agent": {"rescan": "1s"}})
	for _, name := range []string{"a", "b", "d/c"} {
		write(t, filepath.Join(source, name), name)
	}
	d := start(t, config)
	waitMirror(t, b, source)
	before := b.Asked()

	away := source + "-away"
	if err := os.Rename(source, away); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the loss to be noticed", func() bool { return strings.Contains(d.log.String(), "read source:") })
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	d.waitLog("source is another directory now")
	scans := func() int { return strings.Count(d.log.String(), `"msg":"scanned"`) }
	seen := scans()
	waitFor(t, "three scans of the other directory", func() bool { return scans() >= seen+3 })
	if n := b.Asked() - before; n != 0 {
		t.Errorf("%d requests after the source was emptied: %v", n, b.OSS.Requests().Entries())
	}
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, source); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(source, "new"), "new")
	waitMirror(t, b, source)
	puts := 0
	for _, r := range b.OSS.Requests().Entries() {
		if r.Op == oss.PutObject && !box.IsLease(r.Key) {
			puts++
		}
	}
	if puts != 4 {
		t.Errorf("%d puts for 4 files", puts)
	}
}

// TestUnreadableFile runs the agent as a user who may not read one file. The
// others arrive, and so does that one when it can be read.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to become another user")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Fatal(err)
	}
	b := box.Start(t, box.Options{})
	state := filepath.Join(t.TempDir(), "state")
	config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"state_dir": state}})
	write(t, filepath.Join(source, "good"), "good")
	write(t, filepath.Join(source, "secret"), "secret")
	if err := os.Chmod(filepath.Join(source, "secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	openUp(t, config, source)
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	d := start(t, config, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	d.waitLog("not uploaded")
	objects := b.WaitForKeys(t, patience, "good")
	if _, ok := objects["secret"]; ok {
		t.Error("a file that could not be read was uploaded")
	}
	if !strings.Contains(d.log.String(), "permission denied") {
		t.Error("the log does not say why")
	}
	if err := os.Chmod(filepath.Join(source, "secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	waitMirror(t, b, source)
}

// openUp lets everybody read these paths and go through what is above them.
func openUp(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}
