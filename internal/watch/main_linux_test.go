package watch

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv names the test that a child process runs.
const childEnv = "WATCH_TEST_CHILD"

// rootEnv lets such a process stay root.
const rootEnv = "WATCH_TEST_ROOT"

// floodEnv makes a child process create files: "prefix count rate".
const floodEnv = "WATCH_TEST_FLOOD"

func TestMain(m *testing.M) {
	flag.Parse()
	if arg := os.Getenv(floodEnv); arg != "" {
		if err := createFiles(arg); err != nil {
			panic(err)
		}
		return
	}
	if os.Getenv(childEnv) != "" && os.Getenv(rootEnv) == "" && os.Getuid() == 0 {
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

// inUserNamespace runs a test again as root of a user namespace of its own, and
// reports whether this is that process. Limits that it sets are its alone.
func inUserNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), childEnv+"="+t.Name(), rootEnv+"=1")
	id := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	group := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: id, GidMappings: group}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EACCES) {
		t.Skipf("SKIPPED: no user namespace can be made here: %v", err)
	} else if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// limit sets a limit of the user namespace.
func limit(t *testing.T, name string, n int) {
	t.Helper()
	must(t, os.WriteFile("/proc/sys/user/"+name, []byte(fmt.Sprint(n)), 0))
}

// createFiles creates and closes empty files, at a rate of so many a second, or
// as fast as it can if that is 0.
func createFiles(arg string) error {
	var prefix string
	var count, rate int
	if _, err := fmt.Sscanf(arg, "%s %d %d", &prefix, &count, &rate); err != nil {
		return err
	}
	begun := time.Now()
	for i := range count {
		if rate > 0 && i%64 == 0 {
			time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		fd, err := unix.Open(fmt.Sprint(prefix, i), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		unix.Close(fd)
	}
	return nil
}

// floodWith has processes create count files each, named by a prefix each, rate
// of them a second all together, or as fast as they can if that is 0. It returns
// their processor time.
func floodWith(t testing.TB, count, rate int, prefixes ...string) time.Duration {
	t.Helper()
	var wg sync.WaitGroup
	var cpu atomic.Int64
	for _, prefix := range prefixes {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", floodEnv, prefix, count, rate/len(prefixes)))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
				return
			}
			cpu.Add(int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
		})
	}
	wg.Wait()
	return time.Duration(cpu.Load())
}
