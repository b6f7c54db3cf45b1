package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

const credsLong = `Show which credential osssync uses: the role, the instance, the key id, when it
expires, and whether it came from the metadata service or the cache. Never a
secret.`

// A credsLine is what creds tells.
type credsLine struct {
	Role        string    `json:"role"`
	InstanceID  string    `json:"instance_id"`
	Region      string    `json:"region"`
	Zone        string    `json:"zone"`
	AccountID   string    `json:"account_id"`
	AccessKeyID string    `json:"access_key_id"`
	Expires     time.Time `json:"expires"`
	Source      string    `json:"source"`
}

func (a *app) credsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "creds [--json]",
		Short: a.tr("Show the role's credential, without its secrets"),
		Long:  a.tr(credsLong),
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.creds(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, a.tr("print JSON"))
	return cmd
}

func (a *app) creds(ctx context.Context, asJSON bool) error {
	s, err := a.session()
	if err != nil {
		return err
	}
	snap, err := s.creds.Get(ctx)
	if err != nil {
		return fmt.Errorf("creds: %w", err)
	}
	id, err := s.creds.Identity(ctx)
	if err != nil {
		return fmt.Errorf("creds: %w", err)
	}
	l := credsLine{snap.Role, id.InstanceID, id.Region, id.Zone, id.AccountID, snap.AccessKeyID, snap.Expires.UTC(), snap.Source}
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(l)
	}
	_, err = fmt.Fprintf(a.stdout, "role       %s\ninstance   %s (%s, account %s)\nkey id     %s\nexpires    %s (in %s)\nsource     %s\n",
		l.Role, l.InstanceID, l.Zone, l.AccountID, l.AccessKeyID,
		l.Expires.Format(time.RFC3339), time.Until(l.Expires).Round(time.Minute), l.Source)
	return err
}
