package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/osssync/osssync/internal/config"
)

// TestCheckUnit lets a unit have the default state directory only if it is its
// own, and any other, such as one on a disk of its own.
func TestCheckUnit(t *testing.T) {
	ours := config.DefaultStateDir()
	other := ours + "-second"
	for _, tt := range []struct {
		given, configured string
		want              int
	}{
		{"", "", 0},
		{ours, "", 0},
		{ours, "/srv/state", 0},
		{ours + string(os.PathListSeparator) + other, "", 0},
		{other, other, 0},
		{other, "/srv/state", 0},
		{other, "", exitConfig},
		{other, ours, exitConfig},
	} {
		t.Setenv("STATE_DIRECTORY", tt.given)
		var c config.Config
		if tt.configured != "" {
			c.Agent.StateDir = filepath.FromSlash(tt.configured)
		}
		if got := exitCode(checkUnit(&c)); got != tt.want {
			t.Errorf("unit of %q, configured %q: %d, want %d", tt.given, tt.configured, got, tt.want)
		}
	}
}
