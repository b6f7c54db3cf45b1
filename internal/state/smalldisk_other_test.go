//go:build !linux

package state

import "testing"

func smallDisk(t *testing.T, _ int) string {
	t.Skip("NOT TESTED: a full disk, for only Linux can mount a small one")
	return ""
}
