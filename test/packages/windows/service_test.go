//go:build linux

package windows

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A status is what the agent tells of itself.
type status struct {
	Jobs []struct {
		State    string
		InFlight int `json:"in_flight"`
		Watch    struct{ Mode string }
	}
}

// status asks the agent by its pipe.
func (w *wine) status() (st status) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.must(program, "status", "--json")), &st); err != nil || len(st.Jobs) == 0 {
		w.t.Fatalf("status: %+v, %v", st, err)
	}
	return st
}

// running checks the service, by the manager and by its own pipe.
func (w *wine) running() {
	w.t.Helper()
	if out := w.must(program, "service", "status"); !strings.HasPrefix(out, "running, pid ") {
		w.t.Errorf("service status: %s", out)
	}
	if st := w.status(); st.Jobs[0].Watch.Mode != "windows" {
		w.t.Errorf("status: %+v", st)
	}
}

// stopped checks what is told of a service that does not run.
func (w *wine) stopped(want string) {
	w.t.Helper()
	const notRunning = 7
	out, code := w.exit(program, "service", "status")
	if strings.TrimSpace(out) != want || code != notRunning {
		w.t.Errorf("service status: %q, exit code %d, want %q, %d", out, code, want, notRunning)
	}
}

// until waits for something that happens on its own.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// mistaken checks that a service whose configuration is wrong starts, as the
// manager sees it, and ends with the code of that.
func mistaken(t *testing.T, w *wine) {
	t.Helper()
	write(t, w.file("ProgramData/osssync/osssync.toml"), "[oss]\nbuckett = 'x'\n")
	w.must(program, "service", "start")
	until(t, "the end of the service", func() bool {
		out, _ := w.run(program, "service", "status")
		return strings.HasPrefix(out, "stopped")
	})
	w.stopped("stopped, ended with code 78")
}

// held checks that a file which its writer shares with nobody is sent when the
// writer lets go.
func held(t *testing.T, w *wine, b *box.Box) {
	t.Helper()
	release := w.background(w.command(shared.hold, "file", `C:\data\held.txt`), "holding")
	// One that comes after it has been sent, so it was looked at, and waits.
	write(t, w.file("data/after.txt"), "2")
	objects := b.WaitForKeys(t, within, "in/after.txt")
	if o, there := objects["in/held.txt"]; there {
		t.Errorf("a file that is locked was sent: %+v", o)
	}
	if _, ok := w.run(program, "wait", "--timeout", "1s"); ok {
		t.Error("wait says that all is sent while a file is locked")
	}
	release()
	if o := b.WaitForKeys(t, within, "in/held.txt")["in/held.txt"]; o.Size != 4 {
		t.Errorf("held.txt in the bucket: %+v", o)
	}
}

// names checks a path that is too long for Win32, and a file that is renamed in
// case alone, which is another key.
func names(t *testing.T, w *wine, b *box.Box) {
	t.Helper()
	deep := strings.Repeat("a directory of fifty characters or a little more...x/", 6)
	if err := os.MkdirAll(w.file("data/"+deep), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, w.file("data/"+deep+"far down.txt"), "deep")
	write(t, w.file("data/lower.txt"), "case")
	b.WaitForKeys(t, within, "in/"+deep+"far down.txt", "in/lower.txt")
	if err := os.Rename(w.file("data/lower.txt"), w.file("data/LOWER.txt")); err != nil {
		t.Fatal(err)
	}
	b.WaitForKeys(t, within, "in/LOWER.txt")
}

// reload checks that a job added to the configuration begins at a reload, and
// one more when the manager says that the parameters have changed.
func reload(t *testing.T, w *wine, b *box.Box, conf string) {
	t.Helper()
	for name, ask := range map[string][]string{
		"more":  {program, "reload"},
		"other": {shared.hold, "paramchange", "osssync"},
	} {
		if err := os.Mkdir(w.file(name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, w.file(name+"/m.txt"), "m")
		conf += "\n[[job]]\nname = \"" + name + "\"\nsource = 'C:\\" + name + "'\nprefix = \"" + name + "/\"\n"
		write(t, w.file("ProgramData/osssync/osssync.toml"), conf)
		w.must(ask...)
		b.WaitForKeys(t, within, name+"/m.txt")
	}
}

// stops checks that the service lets an upload that hangs have its grace, and
// no more.
func stops(t *testing.T, w *wine, b *box.Box) {
	t.Helper()
	id := b.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Key: "in/slow.txt", Hang: true})
	defer b.OSS.Faults().Remove(id)
	write(t, w.file("data/slow.txt"), "slow")
	until(t, "an upload that hangs", func() bool {
		n := 0
		for _, j := range w.status().Jobs {
			n += j.InFlight
		}
		return n > 0
	})
	begun := time.Now()
	w.must(program, "service", "stop")
	if took := time.Since(begun); took < grace || took > grace+10*time.Second {
		t.Errorf("stopped after %v, want the grace of %v and a little more", took, grace)
	}
	w.stopped("stopped")
}

// cached checks that the service started after this takes the token from the
// sealed cache, ends what the last one did not, and sends nothing again.
func cached(t *testing.T, w *wine, b *box.Box) {
	t.Helper()
	before, tokens := len(putsOf(b)), b.ECS.Requests().Count(ecs.OpCredentials)
	sealed, err := filepath.Glob(w.file("ProgramData/osssync/credentials/*.json"))
	if err != nil || len(sealed) != 1 {
		t.Fatalf("cache of the token: %v, %v", sealed, err)
	}
	data, err := os.ReadFile(sealed[0])
	if err != nil || len(data) == 0 {
		t.Fatal(err)
	}
	grant, _ := b.ECS.Current()
	for _, open := range []string{grant.AccessKeyID, grant.AccessKeySecret, grant.SecurityToken} {
		if open == "" || bytes.Contains(data, []byte(open)) {
			t.Error("the token can be read in its cache")
		}
	}
	write(t, w.file("data/b.txt"), "b")
	w.must(program, "service", "start")
	b.WaitForKeys(t, within, "in/b.txt", "in/slow.txt")
	if n := len(putsOf(b)) - before; n != 2 {
		t.Errorf("%d files sent after a restart, want the new one and the one that hung: %v", n, putsOf(b)[before:])
	}
	if n := b.ECS.Requests().Count(ecs.OpCredentials) - tokens; n != 0 {
		t.Errorf("%d tokens asked for after a restart, want the one of the cache", n)
	}
}

// Events of the log, by type and id.
const (
	started  = "00000004 00000001"
	ended    = "00000004 00000002"
	reloaded = "00000004 00000003"
	failed   = "00000001 00000006"
	notSetUp = "00000001 00000007"
)

// reboots checks that the service is started by the next Windows, and goes on
// where it was. Wine tells it that the system shuts down, but does not wait for
// it, so that it ends as in a crash.
func reboots(t *testing.T, w *wine, b *box.Box) {
	t.Helper()
	// Or what is started with a delay comes two minutes later.
	w.must("reg", "add", `HKLM\SYSTEM\CurrentControlSet\Control`, "/v", "AutoStartDelay", "/t", "REG_DWORD", "/d", "100", "/f")
	before, puts := w.events(), len(putsOf(b))
	w.reboot()
	write(t, w.file("data/boot.txt"), "6")
	b.WaitForKeys(t, within, "in/boot.txt")
	w.running()
	after := w.events()
	if n := after[started] - before[started]; n != 1 {
		t.Errorf("%d starts at a reboot, want one", n)
	}
	if n := len(putsOf(b)) - puts; n != 1 {
		t.Errorf("%d files sent after a reboot, want the new one", n)
	}
}

// logged checks that the event log was told of what was done, each kind by its
// own id.
func logged(t *testing.T, w *wine) {
	t.Helper()
	seen := w.events()
	for what, event := range map[string]string{
		"the start":                        started,
		"the end":                          ended,
		"a reload":                         reloaded,
		"a service that failed":            failed,
		"an installation that was refused": notSetUp,
	} {
		if seen[event] == 0 {
			t.Errorf("the event log was not told of %s: %v", what, seen)
		}
	}
}
