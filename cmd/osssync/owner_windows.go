package main

import (
	"os"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/service"
)

// makeStateDir makes the directory of the index for the service, administrators
// and this user.
func makeStateDir(dir string) error { return service.MakePrivateDir(dir) }

// ownedByUs reports whether dir is a directory of the user that runs this
// process, of one of the groups that stand for it, or, if this is the service,
// one that an administrator made for it.
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
	if err == nil && (user.User.Sid.Equals(owner) || user.User.Sid.String() == service.SID()) {
		return true
	}
	// Administrators own what an elevated administrator makes.
	member, err := windows.Token(0).IsMember(owner)
	return err == nil && member
}
