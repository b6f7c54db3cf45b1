package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

	noTopic error // help was asked for on a command that there is not

	// Of a Windows service, nil otherwise: where it logs to, and what asks it to
	// read its configuration anew.
	logHandler func(slog.Level) slog.Handler
	hangups    <-chan os.Signal
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
	f.Var(&choice{&a.logLevel, oneOf("debug", "info", "warn", "error")}, "log-level", a.tr("debug, info, warn or error"))
	f.Var(&choice{&a.logFormat, oneOf("text", "json", "auto")}, "log-format", a.tr("text or json"))
	f.Var(&choice{&a.lang, knownLanguage}, "lang", a.tr("language of help, hints and reports: en or zh"))
	cmd.AddCommand(a.commands()...)
	a.strict(cmd)
	help := a.helpCommand()
	a.strict(help)
	cmd.SetHelpCommand(help)
	cmd.SetHelpFunc(a.helpOn(cmd.HelpFunc()))
	return cmd
}

const rootLong = `osssync watches directories of an Alibaba Cloud ECS instance and uploads what
changes to OSS. It holds no key: it asks the instance's metadata service, in
hardened mode only, for the STS credential of the attached RAM role.`

func (a *app) commands() []*cobra.Command {
	all := []*cobra.Command{
		a.runCommand(),
		a.syncCommand(),
		a.verifyCommand(),
		a.lsCommand(),
		a.putCommand(),
		a.catCommand(),
		a.statCommand(),
		a.credsCommand(),
		a.policyCommand(),
		a.doctorCommand(),
		a.configCommand(),
		a.filterCommand(),
		a.completionCommand(),
		a.manCommand(),
		a.versionCommand(),
		a.statusCommand(),
		a.waitCommand(),
		a.whyCommand(),
		a.serviceCommand(),
	}
	return append(all, a.agentCommands()...)
}

// strict makes mistakes in arguments usage errors and translates what cobra
// itself writes, in the whole tree.
func (a *app) strict(cmd *cobra.Command) {
	cmd.Flags().BoolP("help", "h", false, a.tr("help for this command"))
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

// logger returns the logger of the agent: level and format as the flags say,
// else as the configuration does.
func (a *app) logger(c *config.Config) *slog.Logger {
	var l slog.Level
	// Both the flag and the configuration have been checked.
	_ = l.UnmarshalText([]byte(cmp.Or(a.logLevel, c.Agent.LogLevel)))
	if a.logHandler != nil {
		return slog.New(a.logHandler(l))
	}
	format := cmp.Or(a.logFormat, c.Agent.LogFormat)
	if format == "text" || format == "auto" && isTerminal(a.stderr) {
		return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: l}))
	}
	return slog.New(jsonHandler(a.stderr, &slog.HandlerOptions{Level: l, ReplaceAttr: seconds}))
}

// quietLogger returns the logger of a one-shot, which says by its output and
// its error what happened. It logs only if it is told to.
func (a *app) quietLogger(c *config.Config) *slog.Logger {
	if a.logLevel == "" {
		return slog.New(slog.DiscardHandler)
	}
	return a.logger(c)
}

// load reads the configuration. Without a file at its usual place it returns the
// defaults where optional is true, for a command that can do without.
func (a *app) load(optional bool) (*config.Config, error) {
	path, explicit := config.Find(a.configFile)
	if optional && !explicit {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			c := config.Default()
			return &c, nil
		}
	}
	c, err := config.Load(path)
	if _, statErr := os.Stat(path); err != nil && errors.Is(statErr, fs.ErrNotExist) {
		return nil, &commandError{exitConfig, err, "name a configuration file with -c or $OSSSYNC_CONFIG; config.example.toml shows every key"}
	}
	if err != nil {
		return nil, err
	}
	if err := checkFilters(c); err != nil {
		return nil, err
	}
	return c, nil
}

// seconds writes durations in JSON as everywhere in this program's JSON: in
// seconds.
func seconds(_ []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() == slog.KindDuration {
		return slog.Float64(attr.Key, attr.Value.Duration().Seconds())
	}
	return attr
}

func isTerminal(v any) bool {
	f := fileOf(v)
	return f != nil && term.IsTerminal(int(f.Fd()))
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

// shown is err with a printable text. Without it the line ends in a name would
// begin lines of their own, as those of joined errors do.
func shown(err error) error { return shownError{err} }

type shownError struct{ err error }

func (e shownError) Error() string { return printable(e.err.Error()) }

// Unwrap returns the cause.
func (e shownError) Unwrap() error { return e.err }

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r >= 0x7f && r < 0xa0 }
