package config

import (
	"fmt"
	"slices"
	"strings"
)

const refuseHint = "remove it, disable the key in RAM, and attach a RAM role to the instance (see [credentials])"

// keyWords mark a key as an access key wherever they are part of its name;
// names are compared in lower case and without separators.
var keyWords = []string{
	"accesskey", "accesssecret", "accessid", "secretkey", "secretaccess", "secretid", "keysecret",
	"securitytoken", "ststoken", "sessiontoken",
}

// keyNames mark a key as an access key when they are its whole name.
var keyNames = []string{"ak", "sk", "aksk", "akid", "aksecret", "secret", "keyid"}

// isAccessKey reports whether the name is one that people give to access keys.
func isAccessKey(name string) bool {
	name = plain(name)
	return slices.Contains(keyNames, name) ||
		slices.ContainsFunc(keyWords, func(w string) bool { return strings.Contains(name, w) })
}

// holdsAccessKey reports whether a word of s has the form of an access key id,
// long-lived (LTAI…) or temporary (STS.…).
func holdsAccessKey(s string) bool {
	words := strings.FieldsFunc(s, func(r rune) bool { return !strings.ContainsRune(lower+upper+digit+".", r) })
	return slices.ContainsFunc(words, func(w string) bool {
		rest, ok := strings.CutPrefix(w, "LTAI")
		if !ok {
			rest, ok = strings.CutPrefix(w, "STS.")
		}
		return ok && len(rest) >= 12 && only(rest, lower+upper+digit)
	})
}

// refuse reports each access key in the tree below p, which people call name,
// and takes it out of the tree, so that nothing else comes upon it. It reports
// whether the tree itself is to be taken out.
func (f *file) refuse(m *mistakes, p place, name string, tree any) (refused bool) {
	switch t := tree.(type) {
	case map[string]any:
		for k, v := range t {
			at := dotted(name, k)
			if isAccessKey(k) {
				m.add(f.origin(p.join(k)), at, ErrAccessKey, refuseHint)
			} else if !f.refuse(m, p.join(k), at, v) {
				continue
			}
			delete(t, k)
		}
	case []map[string]any:
		for i, v := range t {
			f.refuse(m, p.index(i), name, v)
		}
	case []any:
		for i, v := range t {
			refused = f.refuse(m, p.index(i), name, v) || refused
		}
	case string:
		if holdsAccessKey(t) {
			m.add(f.origin(p), name, fmt.Errorf("the value looks like an access key: %w", ErrAccessKey), refuseHint)
			return true
		}
	}
	return refused
}

// dotted joins the names of a key for people to read.
func dotted(table, name string) string {
	if name == "" || !only(name, lower+upper+digit+"_-") {
		name = fmt.Sprintf("%q", name)
	}
	if table == "" {
		return name
	}
	return table + "." + name
}
