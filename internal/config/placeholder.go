package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Vars are what the placeholders of a prefix stand for. An empty one is not
// known.
type Vars struct {
	InstanceID string
	Hostname   string
	Region     string
	Zone       string
	Account    string
	Job        string
}

// placeholders are the ones that [Expand] replaces.
var placeholders = []struct {
	name  string
	value func(Vars) string
}{
	{"instance_id", func(v Vars) string { return v.InstanceID }},
	{"hostname", func(v Vars) string { return v.Hostname }},
	{"region", func(v Vars) string { return v.Region }},
	{"zone", func(v Vars) string { return v.Zone }},
	{"account", func(v Vars) string { return v.Account }},
	{"job", func(v Vars) string { return v.Job }},
}

// These are replaced for each file, by [ExpandPath].
const (
	hashPlaceholder = "hash2"
	datePlaceholder = "date:"
)

func perFile(name string) bool {
	return name == hashPlaceholder || strings.HasPrefix(name, datePlaceholder)
}

// Expand replaces every placeholder of prefix but {date:…} and {hash2}, which
// depend on the file. A placeholder whose value is not known is an error, for
// objects under a made-up name would be found by nobody.
func Expand(prefix string, v Vars) (string, error) {
	return replace(prefix, func(name string) (string, error) {
		if perFile(name) {
			return "{" + name + "}", nil
		}
		for _, p := range placeholders {
			if p.name != name {
				continue
			}
			value := p.value(v)
			if value == "" {
				return "", fmt.Errorf("expand %s: {%s} is not known on this machine", prefix, name)
			}
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || strings.ContainsRune(`/\{}`, r) }) {
				return "", fmt.Errorf("expand %s: {%s} is %q, which cannot be part of a key", prefix, name, value)
			}
			return value, nil
		}
		return "", fmt.Errorf("expand %s: %w", prefix, unknownPlaceholder(name))
	})
}

// Uses reports whether text holds the placeholder of that name, such as
// "instance_id".
func Uses(text, name string) bool { return slices.Contains(names(text), name) }

// ExpandPath replaces what [Expand] left: {date:2006/01/02} by t in UTC,
// written by that layout of package time, and {hash2} by the first two hex
// digits of the SHA-256 of rel, the file's path relative to its source.
func ExpandPath(prefix, rel string, t time.Time) string {
	out, _ := replace(prefix, func(name string) (string, error) {
		if layout, ok := strings.CutPrefix(name, datePlaceholder); ok {
			return t.UTC().Format(layout), nil
		}
		if name == hashPlaceholder {
			sum := sha256.Sum256([]byte(rel))
			return hex.EncodeToString(sum[:1]), nil
		}
		return "{" + name + "}", nil
	})
	return out
}

// replace returns text with each {name} replaced. Braces without a partner stay.
func replace(text string, value func(name string) (string, error)) (string, error) {
	if !strings.Contains(text, "{") {
		return text, nil
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, rest, ok := strings.Cut(after, "}")
		if !ok {
			b.WriteString("{" + after)
			return b.String(), nil
		}
		v, err := value(name)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		text = rest
	}
}

func names(text string) []string {
	var all []string
	_, _ = replace(text, func(name string) (string, error) {
		all = append(all, name)
		return "", nil
	})
	return all
}

// checkPlaceholders checks the braces of text.
func checkPlaceholders(text string) error {
	rest, _ := replace(text, func(string) (string, error) { return "", nil })
	if strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("%q has a brace without a partner", text)
	}
	for _, name := range names(text) {
		if err := checkPlaceholder(name); err != nil {
			return err
		}
	}
	return nil
}

func checkPlaceholder(name string) error {
	if layout, ok := strings.CutPrefix(name, datePlaceholder); ok {
		// Two times that differ in every element.
		one := time.Date(2001, 2, 3, 4, 5, 6, 7e8, time.UTC)
		two := time.Date(2012, 11, 22, 23, 44, 55, 1e8, time.UTC)
		if one.Format(layout) == two.Format(layout) {
			return fmt.Errorf("{%s} holds no date; write Go's reference date, such as {date:2006/01/02}", name)
		}
		return nil
	}
	if name == hashPlaceholder {
		return nil
	}
	for _, p := range placeholders {
		if p.name == name {
			return nil
		}
	}
	return unknownPlaceholder(name)
}

func unknownPlaceholder(name string) error {
	if name == "date" {
		return errors.New("{date} needs a layout, such as {date:2006/01/02}")
	}
	known := []string{hashPlaceholder, "date:2006/01/02"}
	for _, p := range placeholders {
		known = append(known, p.name)
	}
	slices.Sort(known)
	return fmt.Errorf("{%s} is no placeholder; there are {%s}", name, strings.Join(known, "} {"))
}
