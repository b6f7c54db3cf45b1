package service

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// A setting is a part of a service's configuration that its creation does not
// set: what ChangeServiceConfig2 wants to know.
type setting struct {
	what  string
	level uint32
	info  unsafe.Pointer
}

// restarts are how long Windows waits before it starts a service that failed
// again, the first time, the second time, and every time after that.
var restarts = [...]time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

// settings are all of them.
func (in Installation) settings() ([]setting, error) {
	text, err := windows.UTF16PtrFromString(description)
	if err != nil {
		return nil, err
	}
	var again [len(restarts)]windows.SC_ACTION
	for i, wait := range restarts {
		again[i] = windows.SC_ACTION{Type: windows.SC_ACTION_RESTART, Delay: uint32(wait.Milliseconds())}
	}
	const day = 24 * 60 * 60 // after which a failure counts as the first again
	sid := uint32(windows.SERVICE_SID_TYPE_UNRESTRICTED)
	preshutdown := uint32((in.StopGrace + stopHint).Milliseconds()) // SERVICE_PRESHUTDOWN_INFO
	return []setting{
		{"description", windows.SERVICE_CONFIG_DESCRIPTION, unsafe.Pointer(&windows.SERVICE_DESCRIPTION{Description: text})},
		{"delayed start", windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, unsafe.Pointer(&windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1})},
		{"service SID", windows.SERVICE_CONFIG_SERVICE_SID_INFO, unsafe.Pointer(&sid)},
		{"pre-shutdown timeout", windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, unsafe.Pointer(&preshutdown)},
		{"recovery actions", windows.SERVICE_CONFIG_FAILURE_ACTIONS, unsafe.Pointer(&windows.SERVICE_FAILURE_ACTIONS{
			ResetPeriod: day, ActionsCount: uint32(len(again)), Actions: &again[0],
		})},
		// Not for crashes alone: also when it ends with an exit code.
		{"recovery after errors", windows.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, unsafe.Pointer(&windows.SERVICE_FAILURE_ACTIONS_FLAG{FailureActionsOnNonCrashFailures: 1})},
	}, nil
}

// configure sets what the creation of a service does not.
func configure(s *mgr.Service, in Installation) (warnings []error, err error) {
	all, err := in.settings()
	if err != nil {
		return nil, err
	}
	line, err := windows.UTF16PtrFromString(in.line())
	if err != nil {
		return nil, err
	}
	const keep = windows.SERVICE_NO_CHANGE
	note := func(what string, failed error) {
		switch {
		case errors.Is(failed, windows.ERROR_INVALID_LEVEL): // Wine, and Windows before it had this
			warnings = append(warnings, fmt.Errorf("%s: not known to this system", what))
		case failed != nil:
			err = errors.Join(err, fmt.Errorf("set %s of service %s: %w", what, Name, failed))
		}
	}
	note("command line", unlocked(func() error {
		return windows.ChangeServiceConfig(s.Handle, keep, keep, keep, line, nil, nil, nil, nil, nil, nil)
	}))
	for _, one := range all {
		note(one.what, unlocked(func() error {
			return windows.ChangeServiceConfig2(s.Handle, one.level, (*byte)(one.info))
		}))
	}
	note("event source", addEventSource())
	return warnings, err
}
