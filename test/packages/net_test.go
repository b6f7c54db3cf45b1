//go:build linux

package packages

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A site is a sandbox in a network namespace of its own, at the addresses that
// an instance knows.
type site struct {
	*box.Box
	netns string // path of the namespace
}

// newSite makes a site. The test's thread stays in its namespace and ends with
// the test, which must not start other goroutines that listen.
func newSite(t *testing.T) *site {
	t.Helper()
	need(t)
	runtime.LockOSThread() // for ever: no other goroutine may get this thread
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
			skip(t, "no network namespace can be made here: %v", err)
		}
		t.Fatal(err)
	}
	if err := errors.Join(raise("lo", nil), raise("lo:1", []byte{100, 100, 100, 200})); err != nil {
		t.Fatal(err)
	}
	s := &site{netns: fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())}
	s.Box = box.Start(t, box.Options{MetadataAddr: "100.100.100.200:80"})
	return s
}

// raise gives an interface an address, nil for none, and turns it on.
func raise(name string, addr []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if addr != nil {
		if err := ifr.SetInet4Addr(addr); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifr); err != nil {
			return fmt.Errorf("set address of %s: %w", name, err)
		}
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// config returns the configuration of a job over /srv/outbox, with what an
// administrator has to say and no more.
func (s *site) config(prefix string) string {
	return fmt.Sprintf("# ours\n[oss]\nbucket = %q\nendpoint = %q\n\n[[job]]\nname = \"outbox\"\nsource = \"/srv/outbox\"\nprefix = %q\nsettle = \"50ms\"\n",
		s.Bucket, s.OSSEndpoint, prefix)
}

// puts returns how many objects were stored, leases apart.
func (s *site) puts() int {
	n := 0
	for _, r := range s.OSS.Requests().Entries() {
		if (r.Op == oss.PutObject || r.Op == oss.CompleteMultipartUpload || r.Op == oss.CopyObject) && !box.IsLease(r.Key) {
			n++
		}
	}
	return n
}
