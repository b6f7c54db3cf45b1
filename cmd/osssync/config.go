package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

const checkLong = `Read the configuration and report every mistake at once, each with file, line
and column; one without a job is a mistake too, for the agent refuses it. Asks
nothing of the network and changes nothing.`

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
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: a.tr("Print the effective value of every key and where it comes from"),
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.configShow() },
	}, &cobra.Command{
		Use:   "schema",
		Short: a.tr("Print a JSON Schema of the configuration, for editors"),
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return err
		},
	})
	return cmd
}

// configShow prints TOML that is a configuration itself.
func (a *app) configShow() error {
	c, err := a.load(false)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	section, job := "", ""
	for _, s := range c.Settings() {
		if s.Section != section || s.Job != job {
			head := "[" + s.Section + "]"
			if s.Section == "job" {
				head = "[[job]]"
			}
			fmt.Fprintf(w, "%s\n", head)
			section, job = s.Section, s.Job
		}
		fmt.Fprintf(w, "%s = %s\t# %s\n", s.Key, s.Value, s.Origin)
	}
	return w.Flush()
}

func (a *app) configCheck() error {
	c, err := a.load(false)
	if err != nil {
		return err
	}
	path, _ := config.Find(a.configFile)
	if len(c.Jobs) == 0 {
		return fmt.Errorf("%s: %w", path, noJobs())
	}
	_, err = fmt.Fprintf(a.stdout, "%s: ok, %d jobs\n", path, len(c.Jobs))
	return err
}

// checkFilters finds mistakes in filter rules, which only the planner can read.
func checkFilters(c *config.Config) error {
	var errs []error
	for i := range c.Jobs {
		_, err := plan.ParseFilter(c.Jobs[i].Filter)
		for _, e := range ruleErrors(err) {
			errs = append(errs, c.Mistake(i, fmt.Sprintf("filter[%d]", e.Index), e))
		}
	}
	return errors.Join(errs...)
}

// ruleErrors takes apart what ParseFilter has joined.
func ruleErrors(err error) []*plan.RuleError {
	if e, ok := err.(*plan.RuleError); ok { //nolint:errorlint // what is joined is asked for one by one
		return []*plan.RuleError{e}
	}
	var all []*plan.RuleError
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // likewise
		for _, e := range joined.Unwrap() {
			all = append(all, ruleErrors(e)...)
		}
	}
	return all
}
