package watch

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv names the test that a child process runs.
const childEnv = "WATCH_TEST_CHILD"

// floodEnv makes a child process create files: "prefix count".
const floodEnv = "WATCH_TEST_FLOOD"

func TestMain(m *testing.M) {
	flag.Parse()
	if arg := os.Getenv(floodEnv); arg != "" {
		if err := createFiles(arg); err != nil {
			panic(err)
		}
		return
	}
	if os.Getenv(childEnv) != "" && os.Getuid() == 0 {
		const nobody = 65534
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// inChild runs a test again in a process that is not root's, and reports
// whether this is that process.
func inChild(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(append(os.Environ(), childEnv+"="+t.Name()), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// createFiles creates and closes empty files as fast as it can.
func createFiles(arg string) error {
	var prefix string
	var count int
	if _, err := fmt.Sscanf(arg, "%s %d", &prefix, &count); err != nil {
		return err
	}
	for i := range count {
		fd, err := unix.Open(fmt.Sprint(prefix, i), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		unix.Close(fd)
	}
	return nil
}

// floodWith has processes create count files each, named by a prefix each.
func floodWith(t testing.TB, count int, prefixes ...string) {
	t.Helper()
	var wg sync.WaitGroup
	for _, prefix := range prefixes {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", floodEnv, prefix, count))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wg.Wait()
}
