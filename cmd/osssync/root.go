package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/osssync/osssync/internal/config"
)

// An app is one run of the command line: its streams and its global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	configFile string
	logLevel   string
	logFormat  string
	lang       string
}

// root returns the command tree.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "osssync",
		Short:         a.tr("Keep directories of an ECS instance in OSS, with no key but its RAM role"),
		Long:          a.tr(rootLong),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	cmd.SetIn(a.stdin)
	cmd.SetOut(a.stdout)
	cmd.SetErr(a.stderr)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &commandError{code: exitUsage, err: err, hint: "see: " + cmd.CommandPath() + " --help"}
	})
	f := cmd.PersistentFlags()
	f.StringVarP(&a.configFile, "config", "c", "", a.tr("configuration file"))
	f.StringVar(&a.logLevel, "log-level", "", a.tr("debug, info, warn or error"))
	f.StringVar(&a.logFormat, "log-format", "", a.tr("text or json"))
	f.StringVar(&a.lang, "lang", a.lang, a.tr("language of help and hints: en or zh"))
	cmd.AddCommand(a.commands()...)
	a.strict(cmd)
	return cmd
}

const rootLong = `osssync watches directories of an Alibaba Cloud ECS instance and uploads what
changes to OSS. It holds no key: it asks the instance's metadata service, in
hardened mode only, for the STS credential of the attached RAM role.`

func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.runCommand(),
		a.syncCommand(),
		a.lsCommand(),
		a.putCommand(),
		a.configCommand(),
		a.versionCommand(),
	}
}

// strict makes mistakes in arguments usage errors and translates what cobra
// itself writes, in the whole tree.
func (a *app) strict(cmd *cobra.Command) {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return &commandError{code: exitUsage, err: err, hint: "see: " + cmd.CommandPath() + " --help"}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		a.strict(sub)
	}
}

// logger returns the logger of a command: level and format as the flags say,
// else as the configuration does.
func (a *app) logger(c *config.Config) (*slog.Logger, error) {
	level, format := a.logLevel, a.logFormat
	if level == "" {
		level = c.Agent.LogLevel
	}
	if format == "" {
		format = c.Agent.LogFormat
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usageErrorf("--log-level %s: not debug, info, warn or error", level)
	}
	opt := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(a.stderr, opt)), nil
	case "text":
		return slog.New(slog.NewTextHandler(a.stderr, opt)), nil
	case "auto", "":
		if isTerminal(a.stderr) {
			return slog.New(slog.NewTextHandler(a.stderr, opt)), nil
		}
		return slog.New(slog.NewJSONHandler(a.stderr, opt)), nil
	}
	return nil, usageErrorf("--log-format %s: not text or json", format)
}

// load reads the configuration. Without a file it returns the defaults where
// optional is true, for a command that an oss:// URL tells all it needs.
func (a *app) load(optional bool) (*config.Config, error) {
	path, explicit := config.Find(a.configFile)
	if optional && !explicit {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			c := config.Default()
			return &c, nil
		}
	}
	c, err := config.Load(path)
	if err != nil {
		if os.IsNotExist(err) || !hasConfigError(err) {
			return nil, &commandError{
				code: exitConfig, err: err,
				hint: "name a configuration file with -c or " + "$OSSSYNC_CONFIG",
			}
		}
		return nil, err
	}
	return c, nil
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printable returns s with every control character made visible, since a file
// name can hold what steers a terminal.
func printable(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isControl(r) {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r >= 0x7f && r < 0xa0 }
