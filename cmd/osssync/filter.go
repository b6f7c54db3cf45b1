package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

const filterLong = `For each path, print whether a job takes it, and the rule that decided. The path
need not exist. A path that is in no job's source is said to be so.`

func (a *app) filterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "filter PATH…",
		Short: a.tr("Tell for each path whether it is taken, and by which rule"),
		Long:  a.tr(filterLong),
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.filter(args) },
	}
}

func (a *app) filter(paths []string) error {
	c, err := a.load(false)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := a.filterOne(c, path); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) filterOne(c *config.Config, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("filter %s: %w", path, err)
	}
	found := false
	for i := range c.Jobs {
		j := &c.Jobs[i]
		rel, err := filepath.Rel(j.Source, abs)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		found = true
		f, err := plan.ParseFilter(j.Filter)
		if err != nil {
			return err
		}
		isDir := strings.HasSuffix(path, "/") || isDirectory(abs)
		verdict := "left out"
		taken, rule := f.Match(filepath.ToSlash(rel), isDir)
		if taken {
			verdict = "taken"
		}
		if rule == "" {
			rule = "no rule matches"
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: %s by job %s: %s\n", printable(path), verdict, j.Name, rule); err != nil {
			return err
		}
	}
	if !found {
		_, err = fmt.Fprintf(a.stdout, "%s: in no job's source\n", printable(path))
	}
	return err
}

func isDirectory(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
