package state

import (
	"errors"
	"testing"
)

// An index on a share is refused, by whatever name.
func TestCheckLocal(t *testing.T) {
	for dir, want := range map[string]bool{
		`\\server\share`:           true,
		`\\server\share\osssync`:   true,
		`\\?\UNC\server\share\dir`: true,
		`\\.\unc\server\share\dir`: true,
		`C:\ProgramData\osssync`:   false,
		`\\?\C:\ProgramData`:       false,
		t.TempDir():                false,
	} {
		err := checkLocal(dir)
		if _, remote := errors.AsType[*RemoteError](err); remote != want || (err != nil) != want {
			t.Errorf("checkLocal(%s) = %v", dir, err)
		}
	}
}
