package main

import (
	"cmp"
	"errors"
	"os"
	"strings"
)

// language returns the language of help and hints: what --lang says, else what
// the environment does. It looks at the arguments before they are parsed, for
// the help it is for is built before then.
func language(args []string) string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		v, ok := strings.CutPrefix(arg, "--lang=")
		if arg == "--lang" && i+1 < len(args) {
			v, ok = args[i+1], true
		}
		if !ok {
			continue
		}
		if lang, err := knownLanguage(v); err == nil {
			return lang
		}
		break // the parser will complain of it
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			lang, _ := knownLanguage(v)
			return cmp.Or(lang, "en")
		}
	}
	return "en"
}

// knownLanguage returns the language of a locale such as zh_CN.UTF-8, if there
// are texts in it.
func knownLanguage(v string) (string, error) {
	lang, _, _ := strings.Cut(strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(v)), "_")
	if lang != "en" && lang != "zh" {
		return "", errors.New("it can be en, zh")
	}
	return lang, nil
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
