package e2e

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// instance serves the metadata of another instance with the box's role, and
// returns its address.
func instance(t *testing.T, b *box.Box, id string) string {
	t.Helper()
	s := httptest.NewServer(ecs.New(ecs.Options{Authority: b.Authority, Role: box.DefaultRole, InstanceID: id, Region: b.Region}))
	t.Cleanup(s.Close)
	return s.URL
}

// machine configures an agent on the instance of that id, with a disk of its own.
func machine(t *testing.T, b *box.Box, id string, job box.Job) (config, source, state string) {
	t.Helper()
	state = filepath.Join(t.TempDir(), "state")
	config, source = configure(t, b, job, map[string]map[string]any{
		"credentials": {"metadata_endpoint": instance(t, b, id)},
		"agent":       {"state_dir": state, "rescan": "2s"},
	})
	return config, source, state
}

// A lease is what the bucket says about who writes below a prefix.
type lease struct {
	InstanceID   string `json:"instance_id"`
	Installation string
	Hostname     string
}

// waitLease waits until an instance has the lease at the top of the bucket.
func waitLease(t *testing.T, b *box.Box, config, id string, not ...string) lease {
	t.Helper()
	var l lease
	waitFor(t, "the lease of "+id, func() bool {
		out, err := exec.Command(bin, "-c", config, "cat", "oss://"+b.Bucket+"/.osssync/lease").Output()
		if err != nil || json.Unmarshal(out, &l) != nil {
			return false
		}
		return l.InstanceID == id && (len(not) == 0 || l.Installation != not[0])
	})
	return l
}

func keys(t *testing.T, b *box.Box) string {
	t.Helper()
	objects, err := b.Objects()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, key := range []string{"a", "b", "c", "new"} {
		if _, ok := objects[key]; ok {
			all = append(all, key)
		}
	}
	return strings.Join(all, " ")
}

// TestCloneIsNoticed copies a machine with its disk: the copy deletes nothing and
// says why, whatever it is asked; it still uploads. The first goes on as before.
func TestCloneIsNoticed(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	job := box.Job{"deletes": "mirror", "settle": "10ms"}
	config, source, state := machine(t, b, "i-first", job)
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(source, name), name)
	}
	first := start(t, config)
	waitMirror(t, b, source)
	l := waitLease(t, b, config, "i-first")
	if l.Installation == "" || l.Hostname == "" {
		t.Errorf("lease %+v", l)
	}
	first.stop(syscall.SIGTERM)
	if out, err := exec.Command(bin, "-c", config, "verify").CombinedOutput(); err != nil || strings.Contains(string(out), ".osssync") {
		t.Errorf("verify takes the lease for a file: %v: %s", err, out)
	}

	config2, source2, state2 := machine(t, b, "i-clone", job)
	for from, to := range map[string]string{source: source2, state: state2} {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	first = start(t, config)
	second := start(t, config2)
	waitFor(t, "the clone to know its files", func() bool { return strings.Count(second.log.String(), `"msg":"uploaded"`) >= 3 })
	if err := os.Remove(filepath.Join(source2, "a")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the clone to hold its deletion", func() bool {
		return strings.Contains(second.log.String(), "deletions held: instance i-first")
	})
	write(t, filepath.Join(source2, "new"), "by the clone")
	waitFor(t, "an upload by the clone", func() bool { return keys(t, b) == "a b c new" })
	if n := strings.Count(second.log.String(), "another agent writes below this prefix"); n != 1 {
		t.Errorf("the clone warns %d times", n)
	}
	cloneTells(t, config2, second)

	if err := os.Remove(filepath.Join(source, "b")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a deletion by the first", func() bool { return keys(t, b) == "a c new" })
	if strings.Contains(first.log.String(), "another agent") {
		t.Error("the first is warned too")
	}
	waitLease(t, b, config, "i-first")
}

// cloneTells wants doctor and, once the agent is gone, sync to say what is wrong.
func cloneTells(t *testing.T, config string, agent *daemon) {
	t.Helper()
	out, err := exec.Command(bin, "-c", config, "doctor", "--json").Output()
	var report struct {
		Checks []struct{ Name, Status, Detail, Fix string }
	}
	if e := json.Unmarshal(out, &report); e != nil || err != nil {
		t.Fatalf("doctor: %v, %v: %s", err, e, out)
	}
	found := false
	for _, c := range report.Checks {
		if strings.HasSuffix(c.Name, "other agents") {
			found = true
			if c.Status != "warn" || !strings.Contains(c.Detail, "i-first") || !strings.Contains(c.Fix, "{instance_id}") {
				t.Errorf("doctor says %+v", c)
			}
		}
	}
	if !found {
		t.Errorf("doctor says nothing: %s", out)
	}
	out, err = exec.Command(bin, "-c", config, "status", "--json").Output()
	if err != nil || !strings.Contains(string(out), "instance i-first") {
		t.Errorf("status: %v: %s", err, out)
	}
	agent.stop(syscall.SIGTERM)
	out, err = exec.Command(bin, "-c", config, "sync").CombinedOutput()
	if exitCode(err) != 6 || !strings.Contains(string(out), "instance i-first") {
		t.Errorf("sync: exit code %d: %s", exitCode(err), out)
	}
}

// TestAlikeIsNoticed lets two machines keep one prefix: both upload, and the
// second says that there is another.
func TestAlikeIsNoticed(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source, state := machine(t, b, "i-first", nil)
	write(t, filepath.Join(source, "a"), "a")
	first := start(t, config)
	l := waitLease(t, b, config, "i-first")

	config2, source2, _ := machine(t, b, "i-second", nil)
	write(t, filepath.Join(source2, "b"), "b")
	second := start(t, config2)
	second.waitLog("another agent writes below this prefix")
	if log := second.log.String(); !strings.Contains(log, "instance i-first") || strings.Contains(log, "is a copy") {
		t.Errorf("the second says %s", log)
	}
	write(t, filepath.Join(source2, "c"), "c")
	waitFor(t, "all files", func() bool { return keys(t, b) == "a b c" })

	// The first returns with a new disk, and has the lease again.
	first.stop(syscall.SIGKILL)
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	first = start(t, config)
	waitLease(t, b, config, "i-first", l.Installation)
	if strings.Contains(first.log.String(), "another agent") {
		t.Error("it is warned of itself")
	}
}

// TestOwnPrefixHasNoLease sends nothing about leases where nobody else can write.
func TestOwnPrefixHasNoLease(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source, _ := machine(t, b, "i-first", box.Job{"prefix": "p/{instance_id}/", "deletes": "mirror", "settle": "10ms"})
	write(t, filepath.Join(source, "a"), "a")
	write(t, filepath.Join(source, "b"), "b")
	start(t, config)
	has := func(n int) func() bool {
		return func() bool {
			objects, err := b.Objects()
			return err == nil && len(objects) == n
		}
	}
	waitFor(t, "two files", has(2))
	if err := os.Remove(filepath.Join(source, "a")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "one file", has(1))
	for _, r := range b.OSS.Requests().Entries() {
		if box.IsLease(r.Key) {
			t.Errorf("%s %s", r.Op, r.Key)
		}
	}
}

// TestGuardNeedsNoPermission takes away all that the lease needs: uploads go on,
// and one line says that nothing is known of others.
func TestGuardNeedsNoPermission(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	b.OSS.Faults().Add(oss.Fault{Key: ".osssync/*", Status: 403, Code: "AccessDenied"})
	config, source, _ := machine(t, b, "i-first", box.Job{"renames": false, "settle": "10ms"})
	write(t, filepath.Join(source, "a"), "a")
	d := start(t, config)
	waitMirror(t, b, source)
	d.waitLog("not known whether another agent writes below this prefix")
	write(t, filepath.Join(source, "b"), "b")
	waitMirror(t, b, source)
	if n := strings.Count(d.log.String(), "another agent"); n != 1 {
		t.Errorf("%d lines about other agents", n)
	}
}
