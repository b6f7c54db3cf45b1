package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
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
	if err != nil || !strings.Contains(string(out), "missing  docs  still/7 -> still/7") || !strings.Contains(string(out), "repaired: 1 to be sent again") {
		t.Errorf("%v\n%s", err, out)
	}
	waitMirror(t, b, source)
}
