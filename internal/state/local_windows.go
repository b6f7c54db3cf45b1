package state

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

func checkLocal(dir string) error {
	volume := filepath.VolumeName(dir)
	if strings.HasPrefix(volume, `\\`) && !strings.HasPrefix(volume, `\\?\`) && !strings.HasPrefix(volume, `\\.\`) {
		return &RemoteError{Dir: dir, Type: "share " + volume}
	}
	root, err := windows.UTF16PtrFromString(volume + `\`)
	if err != nil {
		return err
	}
	if windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		return &RemoteError{Dir: dir, Type: "drive " + volume}
	}
	return nil
}
