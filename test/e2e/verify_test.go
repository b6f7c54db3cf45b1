package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestVerifyBesideAgent verifies while the agent sends what changes all the
// time: nothing of that is a difference in the bucket. What is one goes to the
// agent to be repaired.
func TestVerifyBesideAgent(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"settle": "1ms"}, nil)
	for i := range 100 {
		write(t, filepath.Join(source, fmt.Sprintf("still/%d", i)), fmt.Sprint("file ", i))
	}
	start(t, config)
	waitMirror(t, b, source)

	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write(t, filepath.Join(source, fmt.Sprintf("busy/%d", i%50)), fmt.Sprint("state ", i))
			}
		}
	})
	for range 3 {
		out, err := exec.Command(bin, "-c", config, "verify").CombinedOutput()
		if code := exitCode(err); code != 0 && code != 3 || !strings.Contains(string(out), " 0 missing, 0 differ in the bucket") {
			t.Errorf("exit code %d\n%s", code, out)
		}
	}
	close(stop)
	wg.Wait()
	waitMirror(t, b, source)

	if err := b.Remove("still/7"); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(bin, "-c", config, "verify", "--repair").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "missing  docs  still/7 -> still/7") || !strings.Contains(string(out), "repaired: 1 to be sent again, 1 sent, 0 failed") {
		t.Errorf("%v\n%s", err, out)
	}
	if diff := differs(t, b, source); diff != "" { // it is sent when the command ends
		t.Errorf("after a repair %s", diff)
	}
}

// TestVerifyRepairInVain repairs what the agent cannot send for now: the command
// must say so, and the differences are there until they are made good.
func TestVerifyRepairInVain(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	for _, name := range []string{"lost", "other", "right", `\bad`} { // the last can have no object
		write(t, filepath.Join(source, name), "what was sent")
	}
	d := start(t, config)
	c := d.control(b)
	settle(t, c)
	if err := b.Remove("lost"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(config), "stranger"), "somebody else")
	verify := func(want int, says []string, args ...string) {
		t.Helper()
		out, err := exec.Command(bin, append([]string{"-c", config, "verify"}, args...)...).CombinedOutput()
		if code := exitCode(err); code != want {
			t.Errorf("verify %s: exit code %d, want %d", args, code, want)
		}
		for _, s := range says {
			if !strings.Contains(string(out), s) {
				t.Errorf("verify %s does not say %q:\n%s", args, s, out)
			}
		}
	}
	if out, err := exec.Command(bin, "-c", config, "put", filepath.Join(filepath.Dir(config), "stranger"), "oss://"+b.Bucket+"/other").CombinedOutput(); err != nil {
		t.Fatalf("put: %v\n%s", err, out)
	}
	if _, err := c.Pause(within(t), nil); err != nil {
		t.Fatal(err)
	}
	differences := []string{"missing  docs  lost -> lost", "differs  docs  other -> other", "1 missing, 1 differ in the bucket"}
	again := append(differences, "pending  docs  lost -> lost (an earlier verify has it sent again)")
	in := func(says []string, more ...string) []string { return append(append([]string{}, says...), more...) }
	verify(3, in(differences, "2 of 2 files are yet to be sent again: job docs: paused by hand", "repaired: 2 to be sent again, 0 sent"), "--repair")
	verify(3, again)
	if _, err := c.Resume(within(t), nil); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	verify(0, []string{"0 missing, 0 differ in the bucket; 0 pending"})

	// A file that is refused is named, whatever else has failed.
	if err := b.Remove("lost"); err != nil {
		t.Fatal(err)
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Key: "lost", Status: 400, Code: "InvalidArgument"})
	verify(3, []string{"missing  docs  lost", "1 of 1 files are yet to be sent again: job docs: lost: put lost: ", "InvalidArgument"}, "--repair")
	b.OSS.Faults().Clear()
	if _, err := c.Retry(within(t), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(within(t), nil); err != nil {
		t.Fatal(err)
	}
	verify(0, []string{"0 missing, 0 differ in the bucket; 0 pending"})

	// Nor is it forgotten where no agent runs.
	if err := os.Remove(filepath.Join(source, `\bad`)); err != nil {
		t.Fatal(err)
	}
	d.stop(syscall.SIGTERM)
	if err := b.Remove("lost"); err != nil {
		t.Fatal(err)
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Status: 400, Code: "InvalidArgument"})
	verify(3, []string{"missing  docs  lost", "1 files could not be sent"}, "--repair")
	b.OSS.Faults().Clear()
	verify(3, []string{"missing  docs  lost", "1 missing"})
	verify(0, []string{"repaired: 1 to be sent again, 1 sent, 0 failed"}, "--repair")
	verify(0, []string{"0 missing, 0 differ in the bucket; 0 pending"})
}
