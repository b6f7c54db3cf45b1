//go:build unix

package config

import (
	"path/filepath"
	"strings"
)

// exampleSource is the source that config.example.toml shows.
const exampleSource = "/var/log/app"

const (
	runDir     = "/run/osssync"
	socketName = "/osssync.sock"
)

func defaultPath() string { return "/etc/osssync/osssync.toml" }

func defaultStateDir() string { return "/var/lib/osssync" }

// sockets returns /run/osssync-NAME/osssync.sock first for /var/lib/osssync-NAME,
// which are the directories that osssync@NAME.service has.
func sockets(stateDir string) []string {
	run := runDir
	if name, ok := strings.CutPrefix(filepath.Clean(stateDir), defaultStateDir()+"-"); ok && name != "" && !strings.Contains(name, "/") {
		run += "-" + name
	}
	return []string{run + socketName, filepath.Join(stateDir, socketName)}
}

func allSockets() []string {
	named, _ := filepath.Glob(runDir + "-*" + socketName) // the pattern is right
	return append([]string{runDir + socketName}, named...)
}

// within reports whether path is dir or lies below it. Both are clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
