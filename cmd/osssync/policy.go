package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/config"
)

const policyLong = `Print the least RAM policy that the jobs of this configuration need, ready to be
pasted into the console. What people do by hand besides is added by --ls and
--verify; the latter also lets the agent restore a lost index from the bucket. With
--trust, print the trust policy of the instance's role instead; where the
configuration names a second role to assume, --assume prints what the
instance's role needs for that.`

// A policyCommand prints RAM policies. It asks nothing of the network.
type policyCommand struct {
	app               *app
	trust, assume, ls bool
	verify            bool
}

func (a *app) policyCommand() *cobra.Command {
	c := &policyCommand{app: a}
	cmd := &cobra.Command{
		Use:   "policy [--ls] [--verify] [--trust | --assume]",
		Short: a.tr("Print the least RAM policy that this configuration needs"),
		Long:  a.tr(policyLong),
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return c.run() },
	}
	f := cmd.Flags()
	f.BoolVar(&c.ls, "ls", false, a.tr("allow osssync ls on the jobs' prefixes too, and doctor to list unfinished uploads"))
	f.BoolVar(&c.verify, "verify", false, a.tr("allow osssync verify, and to restore a lost index, too"))
	f.BoolVar(&c.trust, "trust", false, a.tr("print the trust policy of the instance's role"))
	f.BoolVar(&c.assume, "assume", false, a.tr("print what the instance's role needs to assume the second one"))
	return cmd
}

func (c *policyCommand) run() error {
	if c.trust && c.assume {
		return usageErrorf("policy: --trust and --assume are two policies; ask for one")
	}
	if c.trust {
		return c.print(config.TrustPolicy())
	}
	conf, err := c.app.load(false)
	if err != nil {
		return err
	}
	if c.assume {
		d, ok := config.AssumePolicy(conf)
		if !ok {
			return usageErrorf("policy --assume: the configuration names no credentials.assume_role_arn")
		}
		return c.print(d)
	}
	if len(conf.Jobs) == 0 {
		return noJobs()
	}
	var needs []config.Need
	if c.ls {
		needs = append(needs, config.NeedList, config.NeedOrphans)
	}
	if c.verify {
		needs = append(needs, config.NeedVerify, config.NeedHead)
	}
	return c.print(config.Policy(conf, needs...))
}

func (c *policyCommand) print(d config.Document) error {
	_, err := fmt.Fprintf(c.app.stdout, "%s", d.JSON())
	return err
}
