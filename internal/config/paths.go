package config

import "os"

// EnvFile is the environment variable that names the configuration file.
const EnvFile = "OSSSYNC_CONFIG"

// Find returns the configuration file to load: flag, else $OSSSYNC_CONFIG, else
// the platform's default. explicit tells that the user named it, so that it must
// be there.
func Find(flag string) (path string, explicit bool) {
	if flag != "" {
		return flag, true
	}
	if env := os.Getenv(EnvFile); env != "" {
		return env, true
	}
	return DefaultPath(), false
}

// DefaultPath returns where the configuration is looked for when nobody says:
// /etc/osssync/osssync.toml or %ProgramData%\osssync\osssync.toml.
func DefaultPath() string { return defaultPath() }

// DefaultStateDir returns the directory of the index and the token cache when
// the configuration names none: /var/lib/osssync or %ProgramData%\osssync.
func DefaultStateDir() string { return defaultStateDir() }

// Sockets returns the addresses of the agent's control socket, the preferred
// one first: a path, or the name of a pipe on Windows.
func Sockets(stateDir string) []string { return sockets(stateDir) }

// AllSockets returns the addresses at which agents of any state directory listen,
// but for those within these directories.
func AllSockets() []string { return allSockets() }
