package state

import (
	"errors"
	"testing"
)

func TestCheckLocal(t *testing.T) {
	if err := checkLocal(t.TempDir()); err != nil {
		t.Errorf("a temporary directory: %v", err)
	}
	if err := checkLocal("/no/such/directory"); err == nil {
		t.Error("a missing directory passes")
	}
	// proc stands in for a network file system, which no test can count on.
	const proc = 0x9fa0
	remote[proc] = "proc"
	defer delete(remote, proc)
	_, err := Open(t.Context(), "/proc/self", Options{})
	if r, ok := errors.AsType[*RemoteError](err); !ok || r.Type != "proc" || r.Dir != "/proc/self" {
		t.Errorf("Open = %v, want a RemoteError", err)
	}
}
