//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/config"
)

// TestCovering holds which job a file belongs to where several cover it: of
// those that take it the one with the deepest source, also through links.
func TestCovering(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.MkdirAll(filepath.Join(real, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	s := &session{config: &config.Config{Jobs: []config.Job{
		{Name: "all", Source: real, Filter: []string{"- *.tmp"}},
		{Name: "sub", Source: filepath.Join(real, "sub"), Filter: []string{"- *.log"}},
		{Name: "linked", Source: filepath.Join(link, "sub"), Filter: []string{"+ x.log", "- *"}},
	}}}
	type found struct {
		Job, Rel string
		Also     []string
	}
	for path, want := range map[string]found{
		filepath.Join(real, "a"):            {"all", "a", nil},
		filepath.Join(real, "sub", "a"):     {"sub", "a", []string{"all", "linked"}},
		filepath.Join(real, "sub", "x.log"): {"linked", "x.log", []string{"all", "sub"}},
		filepath.Join(real, "sub", "y.log"): {"all", "sub/y.log", []string{"sub", "linked"}},
		filepath.Join(link, "sub", "a"):     {"linked", "a", nil}, // as it is written, no other covers it
		real:                                {},
		filepath.Join(dir, "real2", "a"):    {},
	} {
		var e agent.Explanation
		job, rel := s.covering(path, &e)
		got := found{Rel: rel, Also: e.Also}
		if job != nil {
			got.Job = job.Name
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if got, want := resolved(filepath.Join(link, "not", "there", "a")), filepath.Join(resolved(filepath.Join(real, "x")), "..", "not", "there", "a"); got != want {
		t.Errorf("resolved to %s, want %s", got, want)
	}
}
