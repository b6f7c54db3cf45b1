package agent

import (
	"errors"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A pipe of an ordinary user is not asked for the agent's status.
func TestMayServe(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	for sid, want := range map[string]bool{
		"S-1-5-18":             true,
		"S-1-5-19":             true,
		"S-1-5-20":             true,
		"S-1-5-32-544":         true,
		"S-1-5-80-1-2-3-4-5":   true,
		user.User.Sid.String(): true,
		"S-1-5-32-545":         false, // the users
		"S-1-5-7":              false, // who did not log on
		"S-1-1-0":              false,
		"S-1-5-21-1-2-3-1001":  false,
		"S-1-5-8-80-1":         false,
	} {
		owner, err := windows.StringToSid(sid)
		if err != nil {
			t.Fatal(err)
		}
		if mayServe(owner) != want {
			t.Errorf("mayServe(%s) = %v", sid, !want)
		}
	}
}

// A pipe that belongs to somebody else is not spoken to, and not taken for free.
func TestStrangersPipe(t *testing.T) {
	sd, err := windows.SecurityDescriptorFromString("O:BUD:(A;;GA;;;WD)")
	if err != nil {
		t.Fatal(err)
	}
	sa := &windows.SecurityAttributes{SecurityDescriptor: sd}
	sa.Length = uint32(unsafe.Sizeof(*sa))
	p := &pipe{name: testSocket(t), sa: sa}
	h, err := p.instance(0)
	if err != nil {
		t.Skipf("a pipe cannot be given to others here: %v", err)
	}
	defer windows.CloseHandle(h)
	if conn, err := dialSocket(t.Context(), p.name); !errors.Is(err, errStranger) {
		t.Errorf("dial: %v, %v, want %v", conn, err, errStranger)
	}
	if ln, err := listenSocket(t.Context(), p.name); err == nil {
		ln.Close()
		t.Error("listens at a pipe that somebody else has")
	}
}
