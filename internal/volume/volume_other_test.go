//go:build !linux

package volume

import "testing"

// Elsewhere the id must not change what a directory is known by.
func TestID(t *testing.T) {
	if id := ID(0); id != 0 {
		t.Errorf("id %x, want none", id)
	}
}
