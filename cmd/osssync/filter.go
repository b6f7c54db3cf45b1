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

const filterLong = `For each path, print whether a job takes it, and the rule that decided, or what
else did: the file's size, or that it is no regular file. The path need not exist;
then the rules alone decide. A path that is in no job's source is said to be so.`

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
		if path == "" {
			return usageErrorf("filter: a path is empty")
		}
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
		taken, why, err := takes(j, rel, os.IsPathSeparator(path[len(path)-1]))
		if err != nil {
			return err
		}
		verdict := "left out"
		if taken {
			verdict = "taken"
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: %s by job %s: %s\n", printable(path), verdict, j.Name, printable(why)); err != nil {
			return err
		}
	}
	if !found {
		_, err = fmt.Fprintf(a.stdout, "%s: in no job's source\n", printable(path))
	}
	return err
}

// takes says whether the agent would take what is at rel in the job's source,
// and why. Of what is not there the rules alone decide; asDir says that it would
// be a directory.
func takes(j *config.Job, rel string, asDir bool) (taken bool, why string, err error) {
	f, err := plan.ParseFilter(j.Filter)
	if err != nil {
		return false, "", err
	}
	name, s := filepath.ToSlash(rel), lookAt(j, rel)
	if s.regular {
		taken, why = f.WithSizes(int64(j.MinSize), int64(j.MaxSize)).MatchFile(name, s.size)
	} else {
		taken, why = f.Match(name, s.dir || asDir && !s.there)
	}
	switch {
	case taken && s.fault != "":
		return false, s.fault, nil
	case why == "":
		why = "no rule matches"
	}
	return taken, why + s.note, nil
}

func isDirectory(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
