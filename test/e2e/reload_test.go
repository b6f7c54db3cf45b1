package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A fleet is an agent with several jobs, whose configuration a test rewrites.
type fleet struct {
	t    *testing.T
	box  *box.Box
	dir  string
	file string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, box: box.Start(t, box.Options{}), dir: t.TempDir()}
	f.file = filepath.Join(f.dir, "osssync.toml")
	return f
}

// job returns a job of that name with a source of its own.
func (f *fleet) job(name string, more box.Job) box.Job {
	f.t.Helper()
	if err := os.MkdirAll(f.source(name), 0o755); err != nil {
		f.t.Fatal(err)
	}
	j := box.Job{"name": name, "source": f.source(name), "prefix": name + "/"}
	for k, v := range more {
		j[k] = v
	}
	return j
}

func (f *fleet) source(name string) string { return filepath.Join(f.dir, name) }

// configure writes the configuration.
func (f *fleet) configure(tables map[string]map[string]any, jobs ...box.Job) {
	f.t.Helper()
	if err := os.WriteFile(f.file, []byte(f.box.ConfigWith(tables, jobs...)), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// keys returns all keys in the bucket, sorted.
func (f *fleet) keys() []string {
	f.t.Helper()
	have, err := f.box.Objects()
	if err != nil {
		f.t.Fatal(err)
	}
	keys := []string{}
	for k := range have {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// begun counts how often a job was started.
func begun(d *daemon, job string) (n int) {
	for line := range strings.SplitSeq(d.log.String(), "\n") {
		var l struct{ Msg, Job string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "job started" && l.Job == job {
			n++
		}
	}
	return n
}

func TestReload(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	same := f.job("same", nil)
	f.configure(nil, f.job("changed", nil), f.job("removed", nil), same)
	for _, name := range []string{"changed", "removed", "same"} {
		write(t, filepath.Join(f.source(name), "one"), name)
	}
	d := start(t, f.file)
	c := d.control(f.box)
	settle(t, c)
	if _, err := c.Pause(within(t), []string{"changed"}); err != nil {
		t.Fatal(err)
	}

	write(t, filepath.Join(f.source("added"), "one"), "added")
	f.configure(map[string]map[string]any{"agent": {"max_uploads": 8, "bandwidth": "100MiB", "stop_grace": "5s"}},
		f.job("changed", box.Job{"prefix": "elsewhere/"}), same, f.job("added", nil))
	got, err := c.Reload(within(t))
	if err != nil {
		t.Fatal(err)
	}
	want := agent.Reloaded{Started: []string{"added"}, Restarted: []string{"changed"}, Stopped: []string{"removed"},
		Unchanged: []string{"same"}, NeedRestart: []string{"agent.max_uploads"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reload (-want +got):\n%s", diff)
	}
	// The pause is not forgotten with the restart.
	waitFor(t, "the job to start again", func() bool { return begun(d, "changed") == 2 })
	waitFor(t, "its pause", func() bool { return statusOf(t, c, "changed").State == plan.Paused })
	settle(t, c, "same", "added")
	if diff := cmp.Diff([]string{"added/one", "changed/one", "removed/one", "same/one"}, f.keys()); diff != "" {
		t.Errorf("bucket (-want +got):\n%s", diff)
	}
	if _, err := c.Resume(within(t), nil); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.source("removed"), "two"), "not looked at any more")
	write(t, filepath.Join(f.source("same"), "two"), "still watched")
	settle(t, c)
	if diff := cmp.Diff([]string{"added/one", "changed/one", "elsewhere/one", "removed/one", "same/one", "same/two"}, f.keys()); diff != "" {
		t.Errorf("bucket (-want +got):\n%s", diff)
	}
	if n, scans := begun(d, "same"), statusOf(t, c, "same").Watch.Scans; n != 1 || scans != 1 {
		t.Errorf("the unchanged job was started %d times and scanned %d times", n, scans)
	}

	// A job that comes back knows what it had sent.
	f.configure(nil, same, f.job("removed", nil))
	if got, err = c.Reload(within(t)); err != nil || len(got.Stopped) != 2 || len(got.Started) != 1 {
		t.Fatalf("reload: %+v, %v", got, err)
	}
	settle(t, c)
	if st := statusOf(t, c, "removed"); st.Uploaded != 1 || st.Indexed != 2 {
		t.Errorf("a job that came back: %+v", st)
	}
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestReloadOfABadFile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.configure(nil, f.job("docs", nil))
	d := start(t, f.file)
	c := d.control(f.box)
	settle(t, c)
	for _, tt := range []struct{ text, want string }{
		{f.box.Config(f.job("docs", box.Job{"settle": "soon", "filtre": []string{}})), "job.settle"},
		{f.box.Config(f.job("docs", box.Job{"filter": []string{"no sign"}})), "job.filter"},
		{"this is no TOML", ""},
	} {
		if err := os.WriteFile(f.file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := c.Reload(within(t))
		all := config.Mistakes(err)
		if len(all) == 0 {
			t.Fatalf("reload: %v", err)
		}
		found := false
		for _, m := range all {
			found = found || m.File == f.file && m.Line > 0 && m.Column > 0 && m.Key == tt.want
		}
		if !found {
			t.Errorf("reload: %v, want a mistake at %q", err, tt.want)
		}
	}
	f.configure(nil)
	if _, err := c.Reload(within(t)); err == nil || !strings.Contains(err.Error(), "no [[job]]") {
		t.Errorf("reload without jobs: %v", err)
	}
	write(t, filepath.Join(f.source("docs"), "file"), "all goes on")
	settle(t, c)
	if n := begun(d, "docs"); n != 1 || len(f.keys()) != 1 {
		t.Errorf("after bad files the job was started %d times, the bucket holds %v", n, f.keys())
	}
	if n := strings.Count(d.log.String(), "configuration not reloaded"); n != 4 {
		t.Errorf("the log tells of %d bad files, want 4", n)
	}
}

func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.configure(nil, f.job("first", nil))
	d := start(t, f.file)
	c := d.control(f.box)
	settle(t, c)
	write(t, filepath.Join(f.source("second"), "file"), "text")
	f.configure(nil, f.job("first", nil), f.job("second", nil))
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.waitLog("configuration reloaded")
	settle(t, c, "second")
	if diff := cmp.Diff([]string{"second/file"}, f.keys()); diff != "" {
		t.Errorf("bucket (-want +got):\n%s", diff)
	}
	if n := begun(d, "first"); n != 1 {
		t.Errorf("the unchanged job was started %d times", n)
	}
}

// TestReloadMovesAJob gives a job another name in the midst of its uploads: two
// must never work on one source at once, and nothing is lost between them.
func TestReloadMovesAJob(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	name := func(n string) box.Job { return f.job("docs", box.Job{"name": n}) }
	f.configure(nil, name("old"))
	for i := range 200 {
		write(t, filepath.Join(f.source("docs"), string(rune('a'+i%26)), string(rune('a'+i/26))), "text")
	}
	d := start(t, f.file)
	c := d.control(f.box)
	for _, n := range []string{"new", "newer", "old"} {
		f.configure(nil, name(n))
		if _, err := c.Reload(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, c, "old")
	if n := len(f.keys()); n != 200 {
		t.Errorf("%d objects, want 200", n)
	}
	for key, n := range f.puts() {
		if n > 1 {
			t.Errorf("%s was sent %d times", key, n)
		}
	}
}

// puts counts how often each object was stored.
func (f *fleet) puts() map[string]int {
	n := map[string]int{}
	for _, e := range f.box.OSS.Requests().Entries() {
		if e.Op == oss.PutObject && e.Status == 200 {
			n[e.Key]++
		}
	}
	return n
}

// TestReloadEndsWhatIsUnderWay changes a job whose upload hangs. The job must
// not start anew before that has ended, and the file is sent once.
func TestReloadEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.configure(nil, f.job("docs", nil))
	d := start(t, f.file)
	c := d.control(f.box)
	settle(t, c)
	f.box.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Hang: true})
	write(t, filepath.Join(f.source("docs"), "file"), "text")
	waitFor(t, "the upload", func() bool { return statusOf(t, c, "docs").InFlight == 1 })
	f.configure(nil, f.job("docs", box.Job{"cache_control": "no-cache"}))
	if got, err := c.Reload(within(t)); err != nil || len(got.Restarted) != 1 {
		t.Fatalf("reload: %+v, %v", got, err)
	}
	waitFor(t, "the job to end", func() bool { return !statusOf(t, c, "docs").Running })
	if n := begun(d, "docs"); n != 1 {
		t.Errorf("the job was started %d times while its upload was under way", n)
	}
	f.box.OSS.Faults().Clear()
	settle(t, c)
	if n := begun(d, "docs"); n != 2 {
		t.Errorf("the job was started %d times", n)
	}
	if n := f.puts()["docs/file"]; n != 1 {
		t.Errorf("the file was sent %d times", n)
	}
}

// TestReloadHandsAPlaceOver replaces a job whose upload hangs by one of another
// source that stores the same object: the last word is the new one's.
func TestReloadHandsAPlaceOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.configure(nil, f.job("old", box.Job{"prefix": "place/"}))
	d := start(t, f.file)
	c := d.control(f.box)
	settle(t, c)
	f.box.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Hang: true, Count: 1})
	write(t, filepath.Join(f.source("old"), "file"), "old")
	waitFor(t, "the upload", func() bool { return statusOf(t, c, "old").InFlight == 1 })
	write(t, filepath.Join(f.source("new"), "file"), "new")
	f.configure(nil, f.job("new", box.Job{"prefix": "place/"}))
	if got, err := c.Reload(within(t)); err != nil || len(got.Started) != 1 {
		t.Fatalf("reload: %+v, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if r, err := c.Wait(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || r.Jobs[0].Done || begun(d, "new") > 0 {
		t.Errorf("while the other still sends: %+v, %v", r, err)
	}
	f.box.OSS.Faults().Clear()
	settle(t, c)
	have, err := f.box.Objects()
	if crc, _ := fileSum(filepath.Join(f.source("new"), "file")); err != nil || have["place/file"].CRC64 != crc {
		t.Errorf("the object is not the new job's: %+v, %v", have, err)
	}
}
