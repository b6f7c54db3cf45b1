package state

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

func checkLocal(dir string) error {
	volume := filepath.VolumeName(dir)
	if isShare(dir) {
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

// isShare reports whether a path names a share, \\server\share or the long form
// of that.
func isShare(path string) bool {
	for _, prefix := range []string{`\\?\`, `\\.\`} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return strings.HasPrefix(strings.ToUpper(rest), `UNC\`)
		}
	}
	return strings.HasPrefix(path, `\\`)
}
