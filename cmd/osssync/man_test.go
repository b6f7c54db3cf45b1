package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/config"
)

// pages runs `osssync man` and returns what it wrote.
func pages(t *testing.T, lang string) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "man")
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"--lang", lang, "man", dir}, nil, &out, &complaints); code != 0 {
		t.Fatalf("code %d: %s", code, complaints.String())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestMan(t *testing.T) {
	all := pages(t, "en")
	want := map[string]bool{"osssync.toml.5": true}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		want[name] = true
		page := all[name]
		for _, part := range []string{".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n", ".SH SEE ALSO\n", cmd.Short} {
			if !strings.Contains(page, part) {
				t.Errorf("%s has no %q", name, part)
			}
		}
		if strings.Count(page, ".TH ") != 1 || strings.Contains(page, "spf13") {
			t.Errorf("%s: more than one title, or an advertisement", name)
		}
		for _, sub := range cmd.Commands() {
			if !sub.Hidden {
				walk(sub)
			}
		}
	}
	walk((&app{lang: "en"}).root())
	got := map[string]bool{}
	for name := range all {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{".SH EXIT STATUS\n.TP\n\\fB0\\fP\nall done\n", "\\fB78\\fP", ".SH ENVIRONMENT\n", "OSSSYNC_CONFIG", ".SH FILES\n", "/run/osssync/osssync.sock", "\\fBosssync.toml(5)\\fP"} {
		if !strings.Contains(all["osssync.1"], part) {
			t.Errorf("osssync.1 has no %q", part)
		}
	}
}

// The page of the configuration has every key.
func TestManConfig(t *testing.T) {
	page := pages(t, "en")["osssync.toml.5"]
	for _, table := range config.Describe() {
		_, rest, ok := strings.Cut(page, "\n.SH "+table.Header+"\n")
		if !ok {
			t.Errorf("no section %s", table.Header)
			continue
		}
		rest, _, _ = strings.Cut(rest, "\n.SH ")
		for _, k := range table.Keys {
			if !strings.Contains(rest, "\n.TP\n\\fB"+k.Name+"\\fP (") {
				t.Errorf("%s has no key %s", table.Header, k.Name)
			}
		}
	}
}

// The same osssync always writes the same bytes.
func TestManRepeats(t *testing.T) {
	if diff := cmp.Diff(pages(t, "en"), pages(t, "en")); diff != "" {
		t.Error(diff)
	}
}

func TestManChinese(t *testing.T) {
	for name, page := range pages(t, "zh") {
		if !hasHan(page) {
			t.Errorf("%s has no Chinese", name)
		}
	}
}
