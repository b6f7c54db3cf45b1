package main

import (
	"github.com/spf13/cobra"
)

const serviceLong = `Install, start, stop and remove osssync as a Windows service, under an account
of its own and with a start at boot. Elsewhere it says which command of systemd
does the same.`

// A serviceVerb is a command below service.
type serviceVerb struct {
	name, short string
	hidden      bool
	systemctl   string // what does it where systemd is
}

// serviceVerbs are all of them. The hidden ones are for the service manager and
// for the installer.
var serviceVerbs = []serviceVerb{
	{"install", "Register the service, to start at boot", false, "systemctl enable --now osssync"},
	{"uninstall", "Stop and remove the service; state and configuration stay", false, "systemctl disable --now osssync"},
	{"start", "Start the service", false, "systemctl start osssync"},
	{"stop", "Stop the service and wait until it has", false, "systemctl stop osssync"},
	{"status", "Tell whether the service runs; exit code 7 if not", false, "systemctl status osssync"},
	{"run", "Run as the service that the service manager started", true, "systemctl start osssync"},
	{"setup", "Configure what an installer has registered, and start it if there is a job", true, "systemctl enable --now osssync"},
}

func (a *app) serviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: a.tr("Install and control the Windows service"),
		Long:  a.tr(serviceLong),
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var account string
	for _, v := range serviceVerbs {
		sub := &cobra.Command{
			Use:    v.name,
			Short:  a.tr(v.short),
			Args:   cobra.NoArgs,
			Hidden: v.hidden,
			RunE:   func(cmd *cobra.Command, _ []string) error { return a.service(cmd.Context(), v, account) },
		}
		if v.name == "install" {
			sub.Flags().StringVar(&account, "account", "", a.tr(`account without a password to run as, such as LocalSystem; by default NT SERVICE\osssync`))
		}
		cmd.AddCommand(sub)
	}
	return cmd
}
