package agent

import (
	"errors"
	"strings"

	"golang.org/x/sys/windows"
)

// errStranger means that the pipe is not the agent's.
var errStranger = errors.New("made by an ordinary user, not by the agent")

// checkServer refuses a pipe that an ordinary user made: every user may take the
// name while the agent does not run, and would then be asked in its place.
func checkServer(pipe windows.Handle) error {
	sd, err := windows.GetSecurityInfo(pipe, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	if !mayServe(owner) {
		return errStranger
	}
	return nil
}

// mayServe reports whether the agent may run as owner: as the user of this
// process, as an administrator, or in an account that only administrators give
// to services: built-in, virtual or managed.
func mayServe(owner *windows.SID) bool {
	for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
		windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid, windows.WinLocalServiceSid, windows.WinNetworkServiceSid,
	} {
		if owner.IsWellKnown(kind) {
			return true
		}
	}
	if user, err := windows.GetCurrentProcessToken().GetTokenUser(); err == nil && owner.Equals(user.User.Sid) {
		return true
	}
	const virtual = "S-1-5-80-" // NT SERVICE\…
	if strings.HasPrefix(owner.String(), virtual) {
		return true
	}
	name, _, _, err := owner.LookupAccount("")
	return err == nil && strings.HasSuffix(name, "$") // managed, or the machine itself
}
