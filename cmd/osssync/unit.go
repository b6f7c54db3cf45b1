package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/osssync/osssync/internal/config"
)

// checkUnit refuses the default state directory where systemd gave the unit
// another one: it is that of another agent, such as osssync.service beside
// osssync@NAME.service, and no restart mends that.
func checkUnit(c *config.Config) error {
	given := filepath.SplitList(os.Getenv("STATE_DIRECTORY"))
	if len(given) == 0 || c.StateDir() != config.DefaultStateDir() || slices.Contains(given, c.StateDir()) {
		return nil
	}
	return &commandError{
		code: exitConfig,
		err:  fmt.Errorf("agent.state_dir: %s belongs to another unit, this one has %s", c.StateDir(), given[0]),
		hint: fmt.Sprintf("add to the configuration, below [agent]: state_dir = %q", given[0]),
	}
}
