package config

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// exampleSource is the source that config.example.toml shows.
const exampleSource = `C:\logs\app`

func programData() string {
	return filepath.Join(cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`), "osssync")
}

func defaultPath() string { return filepath.Join(programData(), "osssync.toml") }

func defaultStateDir() string { return programData() }

func sockets(string) []string { return allSockets() }

func allSockets() []string { return []string{`\\.\pipe\osssync`} }

// within reports whether path is dir or lies below it. Both are clean. Case
// does not matter to Windows.
func within(path, dir string) bool {
	path, dir = strings.ToLower(path), strings.ToLower(dir)
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, `\`)+`\`)
}
