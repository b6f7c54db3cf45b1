package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
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

// TestChineseReports holds every text that is translated anywhere in the code to
// have a translation, with the same verbs in it.
func TestChineseReports(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`%[+#]?[\d.]*[a-z]`)
	seen := 0
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, text := range translated(n) {
				seen++
				zh, ok := chinese[text]
				if !ok {
					t.Errorf("%s: no Chinese for %q", name, text)
				} else if diff := cmp.Diff(verbs.FindAllString(text, -1), verbs.FindAllString(zh, -1)); diff != "" {
					t.Errorf("%s: %q: other verbs in Chinese: %s", name, text, diff)
				}
			}
			return true
		})
	}
	if seen < 50 {
		t.Errorf("%d texts found; does this test still know how they are written?", seen)
	}
}

// translated returns the literals that a node hands to tr or to say.
func translated(n ast.Node) []string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return nil
	}
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING || name != "tr" && name != "say" {
		return nil
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return nil
	}
	return []string{text}
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
		{[]string{"--lang", "zh-CN"}, "C", "zh"},
		{[]string{"--lang", "de"}, "zh_CN.UTF-8", "zh"}, // refused later, in the user's language
		{nil, "de_DE.UTF-8", "en"},
	} {
		t.Setenv("LANG", tt.lang)
		if got := language(tt.args); got != tt.want {
			t.Errorf("language(%q) with LANG=%q = %q, want %q", tt.args, tt.lang, got, tt.want)
		}
	}
}
