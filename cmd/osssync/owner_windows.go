package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// ownedByUs reports whether dir is a directory of the user that runs this
// process, or one of the groups that stand for it.
func ownedByUs(dir string) bool {
	fi, err := os.Stat(dir)
	if err != nil || !fi.IsDir() {
		return false
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return false
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return false
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err == nil && user.User.Sid.Equals(owner) {
		return true
	}
	// Administrators own what an elevated administrator makes.
	member, err := windows.Token(0).IsMember(owner)
	return err == nil && member
}
