package service

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// Name is the name of the Windows service, of its source in the event log, and
// of its account, NT SERVICE\osssync.
const Name = "osssync"

// ErrNotService means that the service manager did not start this process.
var ErrNotService = errors.New("not started by the service manager")

// A Program is what runs as a Windows service.
type Program struct {
	// Run does the work. It returns soon after ctx is done, or when it cannot
	// go on. What comes from reload asks it to read its configuration anew.
	Run func(ctx context.Context, reload <-chan os.Signal) error

	// ExitCode returns what the service manager is told of an error, not 0.
	ExitCode func(error) uint32
}

// Serve runs p as the service that the service manager started this process
// for, until that stops it or p ends. The error of p is returned; the manager
// was told of it by its code.
func Serve(ctx context.Context, p Program) error {
	h := &handler{ctx: ctx, program: p}
	err := svc.Run(Name, h)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return ErrNotService
	}
	return errors.Join(err, h.err)
}

type handler struct {
	ctx     context.Context
	program Program
	err     error
}

const (
	accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown | svc.AcceptParamChange

	// While the service stops it tells that it gets on; the manager gives up
	// when that does not come within stopHint.
	stopEvery = time.Second
	stopHint  = 10 * time.Second
)

// Execute implements [svc.Handler]. The service counts as running at once: how
// it is doing, osssync status tells, and a start that takes longer than 30 s,
// which scans of a large tree do, the manager would take for a failure.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	ctx, stop := context.WithCancel(h.ctx)
	defer stop()
	reload := make(chan os.Signal, 1)
	ended := make(chan error, 1)
	status <- svc.Status{State: svc.StartPending}
	go func() { ended <- h.program.Run(ctx, reload) }()
	now := svc.Status{State: svc.Running, Accepts: accepts}
	status <- now
	tick := time.NewTicker(stopEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.ParamChange:
				select {
				case reload <- syscall.SIGHUP:
				default: // one that waits does for both
				}
				status <- now
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				if now.State == svc.Running {
					now = svc.Status{State: svc.StopPending, WaitHint: uint32(stopHint.Milliseconds())}
					status <- now
					stop()
				}
			}
		case <-tick.C:
			if now.State == svc.StopPending {
				now.CheckPoint++
				status <- now
			}
		case h.err = <-ended:
			if h.err == nil || now.State == svc.StopPending && errors.Is(h.err, context.Canceled) {
				h.err = nil
				return false, 0
			}
			return true, h.program.ExitCode(h.err)
		}
	}
}
