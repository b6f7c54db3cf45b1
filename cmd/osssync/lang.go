package main

import (
	"os"
	"strings"
)

// language returns the language of help and hints: what --lang says, else what
// the environment does. It looks at the arguments before they are parsed, for
// the help it is for is built before then.
func language(args []string) string {
	for i, arg := range args {
		if v, ok := strings.CutPrefix(arg, "--lang="); ok {
			return known(v)
		}
		if arg == "--lang" && i+1 < len(args) {
			return known(args[i+1])
		}
		if arg == "--" {
			break
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return known(v)
		}
	}
	return "en"
}

func known(v string) string {
	if strings.HasPrefix(strings.ToLower(v), "zh") {
		return "zh"
	}
	return "en"
}

// tr returns s in the user's language. What has no translation stays English.
func (a *app) tr(s string) string {
	if a.lang == "zh" {
		if t, ok := chinese[s]; ok {
			return t
		}
	}
	return s
}
