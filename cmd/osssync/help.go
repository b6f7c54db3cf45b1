package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND…]",
		Short: a.tr("Tell how a command is used"),
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			return completeTopics(cmd.Root(), args, begun), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := topic(cmd.Root(), args)
			if err != nil {
				return err
			}
			return about.Help()
		},
	}
}

// topic returns the command that names lead to.
func topic(from *cobra.Command, names []string) (*cobra.Command, error) {
	for _, name := range names {
		i := slices.IndexFunc(from.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
		if i < 0 {
			return nil, unknownCommand(from, name)
		}
		from = from.Commands()[i]
	}
	return from, nil
}

func unknownCommand(of *cobra.Command, name string) error {
	return &commandError{
		code: exitUsage,
		err:  fmt.Errorf("unknown command %q for %q", name, of.CommandPath()),
		hint: "see: " + of.CommandPath() + " --help",
	}
}

// helpOn returns what --help does, which cobra asks before it looks at the
// arguments: one that is no command is not to be passed over.
func (a *app) helpOn(show func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
			a.noTopic = unknownCommand(cmd, cmd.Flags().Arg(0))
			return
		}
		show(cmd, args)
	}
}

// completeTopics returns the names that can follow.
func completeTopics(root *cobra.Command, names []string, begun string) []string {
	from, err := topic(root, names)
	if err != nil {
		return nil
	}
	var all []string
	for _, c := range from.Commands() {
		if !c.Hidden && strings.HasPrefix(c.Name(), begun) {
			all = append(all, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	return all
}
