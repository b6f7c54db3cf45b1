package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/config"
)

const checkLong = `Read the configuration and report every mistake at once, each with file, line
and column. Asks nothing of the network and changes nothing.`

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config COMMAND",
		Short: a.tr("Check the configuration"),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageErrorf("config: which command? see: osssync config --help")
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: a.tr("Report every mistake in the configuration, with its place"),
		Long:  a.tr(checkLong),
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.configCheck() },
	})
	return cmd
}

func (a *app) configCheck() error {
	c, err := a.load(false)
	if err != nil {
		return err
	}
	path, _ := config.Find(a.configFile)
	_, err = fmt.Fprintf(a.stdout, "%s: ok, %d jobs\n", path, len(c.Jobs))
	return err
}

func hasConfigError(err error) bool {
	_, ok := errors.AsType[*config.Error](err)
	return ok
}
