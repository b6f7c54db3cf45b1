package config

import "testing"

// The state directory is found in files that are otherwise full of mistakes.
func TestLooseStateDir(t *testing.T) {
	for name, tt := range map[string]struct{ files, want string }{
		"mistakes": {"-- osssync.toml --\nnonsense = 1\n[agent]\nstate_dir = '@/state'\nmemory = 'much'\n", native("@/state")},
		"conf.d":   {"-- osssync.toml --\n[agent]\nstate_dir = '@/state'\n-- conf.d/a.toml --\n[agent]\nstate_dir = '@/other/'\n-- conf.d/b.toml --\n[[[\n", native("@/other")},
		"relative": {"-- osssync.toml --\n[agent]\nstate_dir = 'state'\n", DefaultStateDir()},
		"syntax":   {"-- osssync.toml --\n[agent\n", DefaultStateDir()},
		"no table": {"-- osssync.toml --\nagent = 1\n", DefaultStateDir()},
		"no file":  {"-- conf.d/a.txt --\n", DefaultStateDir()},
	} {
		if got := LooseStateDir(write(t, tt.files)); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
