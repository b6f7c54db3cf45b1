package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Setenv(EnvFile, "")
	if path, explicit := Find(""); path != DefaultPath() || explicit {
		t.Errorf("Find() = %q, %v, want the default", path, explicit)
	}
	t.Setenv(EnvFile, "env.toml")
	if path, explicit := Find(""); path != "env.toml" || !explicit {
		t.Errorf("Find() = %q, %v, want that of the environment", path, explicit)
	}
	if path, explicit := Find("flag.toml"); path != "flag.toml" || !explicit {
		t.Errorf("Find(flag) = %q, %v, want that of the flag", path, explicit)
	}
}

func TestDefaultPaths(t *testing.T) {
	if p := DefaultPath(); !filepath.IsAbs(p) || filepath.Base(p) != mainFile {
		t.Errorf("DefaultPath() = %q", p)
	}
	var c Config
	if d := c.StateDir(); d != DefaultStateDir() || !filepath.IsAbs(d) {
		t.Errorf("StateDir() = %q, want the default, %q", d, DefaultStateDir())
	}
	c.Agent.StateDir = "elsewhere"
	if d := c.StateDir(); d != "elsewhere" {
		t.Errorf("StateDir() = %q, want what is configured", d)
	}
	for _, s := range Sockets("state") {
		if !strings.Contains(s, "osssync") {
			t.Errorf("socket %q", s)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		path, dir string
		want      bool
	}{
		{"@/a", "@/a", true},
		{"@/a/b/c", "@/a", true},
		{"@/ab", "@/a", false},
		{"@/a", "@/a/b", false},
		{"@/a", "@/", true},
		{"@/", "@/", true},
		{"@/", "@/a", false},
	} {
		if got := within(native(tt.path), native(tt.dir)); got != tt.want {
			t.Errorf("within(%s, %s) = %v, want %v", tt.path, tt.dir, got, tt.want)
		}
	}
}
