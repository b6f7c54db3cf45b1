package main

import (
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestChinese holds every text of the command tree to have a translation.
func TestChinese(t *testing.T) {
	a := &app{lang: "zh"}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		texts := []string{cmd.Short}
		if cmd.Long != "" {
			texts = append(texts, cmd.Long)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { texts = append(texts, f.Usage) })
		for _, text := range texts {
			if !hasHan(text) {
				t.Errorf("%s: no Chinese for %q", cmd.CommandPath(), text)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
}

func hasHan(s string) bool {
	for _, r := range s {
		if unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}

func TestLanguage(t *testing.T) {
	t.Setenv("LC_ALL", "")
	t.Setenv("LC_MESSAGES", "")
	for _, tt := range []struct {
		args []string
		lang string
		want string
	}{
		{nil, "en_US.UTF-8", "en"},
		{nil, "zh_CN.UTF-8", "zh"},
		{[]string{"ls", "--lang", "en"}, "zh_CN.UTF-8", "en"},
		{[]string{"--lang=zh", "ls"}, "", "zh"},
		{[]string{"put", "--", "--lang=zh"}, "C", "en"},
		{[]string{"--lang"}, "", "en"},
	} {
		t.Setenv("LANG", tt.lang)
		if got := language(tt.args); got != tt.want {
			t.Errorf("language(%q) with LANG=%q = %q, want %q", tt.args, tt.lang, got, tt.want)
		}
	}
}
