package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// The linker sets these in a release.
var (
	version = "dev"
	commit  = ""
	date    = ""
)

// A buildInfo tells which osssync this is.
type buildInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date"`
	Go      string `json:"go"`
	Target  string `json:"target"`
}

func thisBuild() buildInfo {
	b := buildInfo{Version: version, Commit: commit, Date: date, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b.Target = settings["GOOS"] + "/" + settings["GOARCH"]
	if b.Commit == "" {
		b.Commit, b.Date = settings["vcs.revision"], settings["vcs.time"]
	}
	return b
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version [--json]",
		Short: a.tr("Print which osssync this is"),
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if asJSON {
				return json.NewEncoder(a.stdout).Encode(b)
			}
			line := "osssync " + b.Version
			if b.Commit != "" {
				line += " (" + b.Commit + ", " + b.Date + ")"
			}
			_, err := fmt.Fprintf(a.stdout, "%s %s %s\n", line, b.Go, b.Target)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, a.tr("print JSON"))
	return cmd
}
