//go:build unix

package config

import (
	"path/filepath"
	"strings"
)

// exampleSource is the source that config.example.toml shows.
const exampleSource = "/var/log/app"

func defaultPath() string { return "/etc/osssync/osssync.toml" }

func defaultStateDir() string { return "/var/lib/osssync" }

func sockets(stateDir string) []string {
	return []string{"/run/osssync/osssync.sock", filepath.Join(stateDir, "osssync.sock")}
}

// within reports whether path is dir or lies below it. Both are clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
