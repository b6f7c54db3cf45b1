//go:build unix

package config

import (
	"path/filepath"
	"slices"
	"testing"
)

// root goes before the absolute paths of test files.
const root = ""

// TestSockets gives an agent of its own directories a socket of its own.
func TestSockets(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"/var/lib/osssync":         "/run/osssync/osssync.sock",
		"/var/lib/osssync-second":  "/run/osssync-second/osssync.sock",
		"/var/lib/osssync-second/": "/run/osssync-second/osssync.sock",
		"/var/lib/osssync-":        "/run/osssync/osssync.sock",
		"/var/lib/osssync-a/b":     "/run/osssync/osssync.sock",
		"/srv/osssync-second":      "/run/osssync/osssync.sock",
	} {
		if got := Sockets(dir); !slices.Equal(got, []string{want, filepath.Join(dir, "osssync.sock")}) {
			t.Errorf("Sockets(%s) = %q, want %s first", dir, got, want)
		}
	}
}
