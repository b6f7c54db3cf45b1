package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/service"
)

// stopMargin is how much longer than stop_grace a stop may take.
const stopMargin = 15 * time.Second

// service does what the verb says.
func (a *app) service(ctx context.Context, v serviceVerb, account string) error {
	var err error
	switch v.name {
	case "run":
		return a.runService(ctx)
	case "install":
		err = a.installService(account)
	case "setup":
		err = a.setupService(ctx)
	case "uninstall":
		err = service.Uninstall(a.stopGrace() + stopMargin)
	case "start":
		err = service.Start()
	case "stop":
		err = service.Stop(a.stopGrace() + stopMargin)
	case "status":
		err = a.serviceStatus()
	}
	return explainService(err)
}

// explainService adds what can be done about an error of the service manager.
func explainService(err error) error {
	if _, explained := errors.AsType[*commandError](err); explained {
		return err
	}
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return &commandError{exitFailed, err, "run this as an administrator"}
	case errors.Is(err, service.ErrNotInstalled):
		return &commandError{exitFailed, err, "osssync service install registers it"}
	case errors.Is(err, windows.ERROR_SERVICE_EXISTS):
		return &commandError{exitFailed, err, "osssync service uninstall removes the one that is there"}
	case errors.Is(err, service.ErrNotService):
		return &commandError{exitUsage, err, "in a terminal it is osssync run"}
	case errors.Is(err, service.ErrStranger):
		return &commandError{exitFailed, err, "if what is in it is yours, give it to the administrators: icacls DIRECTORY /setowner *S-1-5-32-544 /t; else delete it"}
	}
	return err
}

// runService is run under the service manager. The log goes to the event log.
func (a *app) runService(ctx context.Context) error {
	level := new(slog.LevelVar)
	events, err := service.OpenEventLog(level)
	if err != nil {
		return err
	}
	a.logHandler = func(l slog.Level) slog.Handler {
		level.Set(l)
		return events
	}
	return explainService(service.Serve(ctx, service.Program{
		Run: func(ctx context.Context, reload <-chan os.Signal) error {
			a.hangups = reload
			err := a.run(ctx)
			if err != nil && ctx.Err() == nil {
				slog.New(events).ErrorContext(ctx, "service failed", "err", err)
			}
			return err
		},
		ExitCode: func(err error) uint32 { return uint32(exitCode(err)) },
	}))
}

// installation returns how the service is installed: with the program and the
// configuration that this command was called with.
func (a *app) installation(account string) (service.Installation, error) {
	exe, err := os.Executable()
	if err != nil {
		return service.Installation{}, err
	}
	args := []string{"service", "run"}
	if path, explicit := config.Find(a.configFile); explicit {
		path, err := filepath.Abs(path)
		if err != nil {
			return service.Installation{}, err
		}
		args = append(args, "-c", path)
	}
	return service.Installation{Exe: exe, Args: args, Account: account, StopGrace: a.stopGrace()}, nil
}

func (a *app) installService(account string) error {
	in, err := a.installation(account)
	if err != nil {
		return err
	}
	if err := service.Allowed(); err != nil { // or the directory would be made for nothing, and be this user's
		return err
	}
	if err := a.secure(); err != nil {
		return err
	}
	warnings, err := service.Install(in)
	a.warn(warnings)
	return err
}

// setupService ends the work of an installer, which does not show what this
// prints: why it failed is in the event log.
func (a *app) setupService(ctx context.Context) error {
	err := a.prepareService()
	if err == nil {
		return a.startConfigured()
	}
	if events, failed := service.OpenEventLog(slog.LevelInfo); failed == nil {
		slog.New(events).ErrorContext(ctx, "service not set up", "err", err)
	}
	return err
}

func (a *app) prepareService() error {
	in, err := a.installation("")
	if err != nil {
		return err
	}
	if err := a.secure(); err != nil {
		return err
	}
	warnings, err := service.Configure(in)
	a.warn(warnings)
	return err
}

// startConfigured starts the service, unless there is no job, since it would
// have nothing to do. That it does not start is no reason to install nothing.
func (a *app) startConfigured() error {
	if c, err := a.load(false); err != nil || len(c.Jobs) == 0 {
		fmt.Fprintln(a.stderr, "osssync: service not started, for the configuration has no job yet")
		return nil
	}
	if err := service.Start(); err != nil {
		a.warn([]error{err})
	}
	return nil
}

func (a *app) warn(warnings []error) {
	for _, w := range warnings {
		fmt.Fprintln(a.stderr, "osssync: "+printable(w.Error()))
	}
}

// secure makes the directories of configuration and state the service's own.
func (a *app) secure() error {
	if err := service.SecureDir(filepath.Dir(config.DefaultPath())); err != nil {
		return err
	}
	if c, err := a.load(true); err == nil {
		return service.MakePrivateDir(c.StateDir())
	}
	return nil // what is wrong with the configuration, the service will say
}

// stopGrace returns how long the service may take to stop.
func (a *app) stopGrace() time.Duration {
	c, err := a.load(true)
	if err != nil {
		d := config.Default()
		c = &d
	}
	return time.Duration(c.Agent.StopGrace)
}

// serviceStatus prints the service's state, a line.
func (a *app) serviceStatus() error {
	st, err := service.Query()
	if errors.Is(err, service.ErrNotInstalled) {
		return &commandError{exitNotRunning, err, "osssync service install registers it"}
	}
	if err != nil {
		return err
	}
	line := st.Name
	if st.PID != 0 {
		line += fmt.Sprintf(", pid %d", st.PID)
	}
	if st.Error != 0 && st.Name == "stopped" {
		line += fmt.Sprintf(", ended with code %d", st.Error)
	}
	fmt.Fprintln(a.stdout, line)
	if st.Name != "running" {
		return &commandError{exitNotRunning, fmt.Errorf("service %s: %s", service.Name, st.Name), "osssync service start starts it"}
	}
	return nil
}
