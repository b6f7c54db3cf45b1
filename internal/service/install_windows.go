package service

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

const (
	displayName = "osssync"
	description = "Keeps directories of this ECS instance in Alibaba Cloud OSS."
)

// Account is the service's own account, which Windows makes and keeps for it.
// It has no password and no rights but those it is given.
const Account = `NT SERVICE\` + Name

// An Installation says how the service is installed.
type Installation struct {
	Exe       string        // absolute path of the program
	Args      []string      // with which it is started
	Account   string        // "" means Account
	StopGrace time.Duration // how long the program may take to stop
}

// Allowed returns an error where this process may not register services.
func Allowed() error {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CREATE_SERVICE)
	if err != nil {
		return fmt.Errorf("connect to the service manager: %w", err)
	}
	return windows.CloseServiceHandle(m)
}

// Install registers the service and configures it, or leaves none. What this
// Windows does not know is returned as warnings.
func Install(in Installation) (warnings []error, err error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to the service manager: %w", err)
	}
	defer m.Disconnect()
	var h windows.Handle
	err = unlocked(func() (err error) {
		h, err = create(m.Handle, in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create service %s: %w", Name, err)
	}
	defer windows.CloseServiceHandle(h)
	warnings, err = configure(&mgr.Service{Name: Name, Handle: h}, in)
	if err != nil {
		err = errors.Join(err, windows.DeleteService(h))
	}
	return warnings, err
}

// Configure does what Install does to a service that an installer registered.
func Configure(in Installation) (warnings []error, err error) {
	s, end, err := open()
	if err != nil {
		return nil, err
	}
	defer end()
	return configure(s, in)
}

// line returns the command line of the service. The path of the program is
// quoted always, or Windows would try C:\Program.exe first.
func (in Installation) line() string {
	line := `"` + in.Exe + `"`
	for _, arg := range in.Args {
		line += " " + syscall.EscapeArg(arg)
	}
	return line
}

// create registers the service.
func create(manager windows.Handle, in Installation) (windows.Handle, error) {
	account := in.Account
	if account == "" {
		account = Account
	}
	var text [4]*uint16
	for i, s := range []string{Name, displayName, in.line(), account} {
		p, err := windows.UTF16PtrFromString(s)
		if err != nil {
			return 0, err
		}
		text[i] = p
	}
	return windows.CreateService(manager, text[0], text[1], windows.SERVICE_ALL_ACCESS, windows.SERVICE_WIN32_OWN_PROCESS,
		windows.SERVICE_AUTO_START, windows.SERVICE_ERROR_NORMAL, text[2], nil, nil, nil, text[3], nil)
}

// unlocked does something with the services, again and again while another
// program or the start of the system holds their database.
func unlocked(do func() error) error {
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := do()
		if !errors.Is(err, windows.ERROR_SERVICE_DATABASE_LOCKED) || time.Now().After(until) {
			return err
		}
	}
}

// addEventSource makes the event log take entries of this source. An installer
// may have done it.
func addEventSource() error {
	_ = eventlog.Remove(Name) // of an older version
	return eventlog.InstallAsEventCreate(Name, eventlog.Info|eventlog.Warning|eventlog.Error)
}

// Uninstall stops the service and removes it. State and configuration stay.
func Uninstall(wait time.Duration) error {
	s, end, err := open()
	if err != nil {
		return err
	}
	defer end()
	if err := stop(s, wait); err != nil {
		return err
	}
	if err := unlocked(s.Delete); err != nil {
		return fmt.Errorf("delete service %s: %w", Name, err)
	}
	if err := eventlog.Remove(Name); err != nil && !errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return fmt.Errorf("remove event source %s: %w", Name, err)
	}
	return nil
}

// Start starts the service. One that runs already is not an error.
func Start() error {
	s, end, err := open()
	if err != nil {
		return err
	}
	defer end()
	if err := unlocked(func() error { return s.Start() }); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return fmt.Errorf("start service %s: %w", Name, err)
	}
	return nil
}

// Stop stops the service and waits until it has.
func Stop(wait time.Duration) error {
	s, end, err := open()
	if err != nil {
		return err
	}
	defer end()
	return stop(s, wait)
}

func stop(s *mgr.Service, wait time.Duration) error {
	st, err := s.Query()
	if err == nil && st.State == svc.Stopped {
		return nil
	}
	if _, err := s.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return fmt.Errorf("stop service %s: %w", Name, err)
	}
	for until := time.Now().Add(wait); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		st, err := s.Query()
		if err != nil {
			return fmt.Errorf("query service %s: %w", Name, err)
		}
		if st.State == svc.Stopped {
			return nil
		}
	}
	return fmt.Errorf("stop service %s: still stopping after %v", Name, wait)
}

// ErrNotInstalled means that there is no such service.
var ErrNotInstalled = errors.New("not installed")

func open() (s *mgr.Service, end func(), err error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the service manager: %w", err)
	}
	s, err = m.OpenService(Name)
	if err != nil {
		m.Disconnect()
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			err = ErrNotInstalled
		}
		return nil, nil, fmt.Errorf("open service %s: %w", Name, err)
	}
	return s, func() { s.Close(); m.Disconnect() }, nil
}

// A State is what the service manager knows of the service.
type State struct {
	Name  string // "running", "stopped", "stopping", …
	PID   uint32 // 0 while it does not run
	Error uint32 // with which it ended, 0 for none
}

// Query asks the service manager.
func Query() (State, error) {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT) // which every user may
	if err != nil {
		return State{}, fmt.Errorf("connect to the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(m)
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return State{}, err
	}
	h, err := windows.OpenService(m, name, windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		err = ErrNotInstalled
	}
	if err != nil {
		return State{}, fmt.Errorf("open service %s: %w", Name, err)
	}
	s := &mgr.Service{Name: Name, Handle: h}
	defer s.Close()
	st, err := s.Query()
	if err != nil {
		return State{}, fmt.Errorf("query service %s: %w", Name, err)
	}
	state := State{Name: stateName(st.State), PID: st.ProcessId, Error: st.Win32ExitCode}
	switch windows.Errno(st.Win32ExitCode) {
	case windows.ERROR_SERVICE_SPECIFIC_ERROR:
		state.Error = st.ServiceSpecificExitCode
	case windows.ERROR_SERVICE_NEVER_STARTED:
		state.Error = 0
	}
	return state, nil
}

func stateName(s svc.State) string {
	switch s {
	case svc.Stopped:
		return "stopped"
	case svc.StartPending:
		return "starting"
	case svc.StopPending:
		return "stopping"
	case svc.Running:
		return "running"
	case svc.Paused, svc.PausePending, svc.ContinuePending:
		return "paused"
	}
	return fmt.Sprintf("state %d", s)
}
