//go:build !windows

package main

import (
	"context"
	"fmt"
)

// service says what does on this system what the verb does on Windows.
func (a *app) service(_ context.Context, v serviceVerb, _ string) error {
	_, err := fmt.Fprintf(a.stdout, a.tr("systemd runs osssync here: %s")+"\n", v.systemctl)
	return err
}
