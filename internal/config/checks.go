package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// These make a key's check from one of its type.

func ofString(f func(string) error) func(any) error {
	return func(v any) error { return f(*v.(*string)) }
}

func ofInt(least, most int) func(any) error {
	return func(v any) error {
		if n := *v.(*int); n < least || n > most {
			return fmt.Errorf("%d is not in %d to %d", n, least, most)
		}
		return nil
	}
}

func ofSize(least Size) func(any) error {
	return func(v any) error {
		if n := *v.(*Size); n < least {
			return fmt.Errorf("%s is less than %s", n, least)
		}
		return nil
	}
}

func ofDuration(least, most time.Duration) func(any) error {
	return func(v any) error {
		if d := *v.(*Duration); d < Duration(least) || d > Duration(most) {
			return fmt.Errorf("%s is not in %s to %s", d, Duration(least), Duration(most))
		}
		return nil
	}
}

const (
	lower = "abcdefghijklmnopqrstuvwxyz"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digit = "0123456789"
)

// only reports whether s consists of these characters.
func only(s, characters string) bool { return strings.Trim(s, characters) == "" }

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// CheckBucket says why s cannot be a bucket's name.
func CheckBucket(s string) error {
	if len(s) < 3 || len(s) > 63 || !only(s, lower+digit+"-") || s[0] == '-' || s[len(s)-1] == '-' {
		return fmt.Errorf("%q is no bucket name: 3 to 63 of a-z, 0-9 and -, no - at the ends", s)
	}
	return nil
}

func checkRegion(s string) error {
	plain := strings.TrimSuffix(strings.TrimPrefix(s, "oss-"), "-internal")
	if !only(s, lower+digit+"-") || s[0] == '-' || s[len(s)-1] == '-' || plain == "" {
		return fmt.Errorf("%q is no region such as cn-hangzhou", s)
	}
	if plain != s {
		return fmt.Errorf("%q is part of an endpoint; the region is %q", s, plain)
	}
	return nil
}

const roleCharacters = lower + upper + digit + "._-"

func checkRole(s string) error {
	if strings.HasPrefix(s, "acs:") {
		return errors.New("want the role's name, not its ARN")
	}
	if len(s) > 64 || !only(s, roleCharacters) {
		return fmt.Errorf("%q is no role name: 1 to 64 letters, digits, dots, hyphens and underscores", s)
	}
	return nil
}

func checkRoleARN(s string) error {
	rest, ok := strings.CutPrefix(s, "acs:ram::")
	account, name, found := strings.Cut(rest, ":role/")
	if !ok || !found || account == "" || !only(account, digit) || name == "" || checkRole(name) != nil {
		return fmt.Errorf("%q is no role ARN such as acs:ram::123456789012:role/name", s)
	}
	return nil
}

func checkSessionName(s string) error {
	if err := checkPlaceholders(s); err != nil {
		return err
	}
	for _, name := range names(s) {
		if perFile(name) || name == "job" {
			return fmt.Errorf("{%s} has no meaning here", name)
		}
	}
	plain, _ := replace(s, func(string) (string, error) { return "xx", nil })
	if len(plain) < 2 || len(plain) > 64 || !only(plain, roleCharacters+"@") {
		return fmt.Errorf("%q is no session name: 2 to 64 letters, digits and . @ - _", s)
	}
	return nil
}

func checkExternalID(s string) error {
	if len(s) < 2 || len(s) > 1224 || !only(s, lower+upper+digit+"=,.@:/_+-") {
		return errors.New("an external id is 2 to 1224 letters, digits and = , . @ : / _ + -")
	}
	return nil
}

func checkSessionPolicy(s string) error {
	var policy map[string]any
	if err := json.Unmarshal([]byte(s), &policy); err != nil {
		return fmt.Errorf("not a policy in JSON: %w", err)
	}
	if n := utf8.RuneCountInString(s); n > 2048 {
		return fmt.Errorf("%d characters are more than 2048", n)
	}
	return nil
}

func checkAbsolute(s string) error {
	if hasControl(s) {
		return fmt.Errorf(`%q holds a control character; write 'C:\temp', for in "…" a backslash begins an escape`, s)
	}
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%q is not an absolute path", s)
	}
	return nil
}

func checkJobName(s string) error {
	if len(s) > 64 || !only(s, lower+upper+digit+"._-") || only(s[:1], "._-") {
		return fmt.Errorf("%q is no job name: 1 to 64 letters, digits and . _ -, a letter or digit first", s)
	}
	return nil
}

func checkPrefix(s string) error {
	if s[0] == '/' || s[0] == '\\' {
		return fmt.Errorf("%q begins with %q, which no key may", s, s[:1])
	}
	if len(s) > 1022 {
		return fmt.Errorf("%d bytes leave no room for a path: a key has at most 1023", len(s))
	}
	if hasControl(s) {
		return fmt.Errorf("%q holds a control character", s)
	}
	return checkPlaceholders(s)
}

func checkTrashPrefix(s string) error {
	if strings.ContainsAny(s, "{}") {
		return fmt.Errorf("%q holds a placeholder; the key that follows holds the job's prefix already", s)
	}
	return checkPrefix(s)
}

// checkRule checks only the form of a rule: what a pattern means is for the
// filter to say.
func checkRule(_, rule string) error {
	pattern, ok := strings.CutPrefix(rule, "- ")
	if !ok {
		pattern, ok = strings.CutPrefix(rule, "+ ")
	}
	if !ok {
		return fmt.Errorf(`rule %q begins with neither "+ " (take) nor "- " (leave)`, rule)
	}
	if strings.TrimSpace(pattern) == "" {
		return fmt.Errorf("rule %q has no pattern", rule)
	}
	if hasControl(pattern) {
		return fmt.Errorf("rule %q holds a control character", rule)
	}
	return nil
}

const movePrefix = "move:"

func checkAfterUpload(s string) error {
	if s == "keep" || s == "delete" {
		return nil
	}
	if dir, ok := strings.CutPrefix(s, movePrefix); ok {
		return checkAbsolute(dir)
	}
	return fmt.Errorf(`%q is not one of keep, delete, "move:/path"`, s)
}

func checkEncryption(s string) error {
	id, ok := strings.CutPrefix(s, "KMS:")
	if s == "AES256" || s == "KMS" || ok && id != "" && only(id, lower+upper+digit+"-_/") {
		return nil
	}
	return fmt.Errorf("%q is not one of AES256, KMS, KMS:KEY-ID", s)
}

func checkHeader(s string) error {
	if hasControl(s) {
		return fmt.Errorf("%q holds a control character", s)
	}
	return nil
}

func checkContentType(ext, value string) error {
	if len(ext) < 2 || ext[0] != '.' || strings.ContainsAny(ext, `/\`) {
		return fmt.Errorf(`%q is no extension such as ".log"`, ext)
	}
	if ext != strings.ToLower(ext) {
		return fmt.Errorf("write %q in lower case; it goes for all cases", ext)
	}
	if _, _, err := mime.ParseMediaType(value); err != nil || !strings.Contains(value, "/") {
		return fmt.Errorf("%q is no media type such as text/plain", value)
	}
	return nil
}

func checkMetadata(name, value string) error {
	switch {
	case strings.HasPrefix(name, "x-oss-meta-"):
		return fmt.Errorf("write %q; x-oss-meta- goes before it", strings.TrimPrefix(name, "x-oss-meta-"))
	case strings.HasPrefix(name, "osssync-"):
		return fmt.Errorf("%q: names that begin with osssync- are the agent's own", name)
	case name == "" || !only(name, lower+digit+"-"):
		return fmt.Errorf("%q is no metadata name: a-z, 0-9 and -", name)
	}
	return checkHeader(value)
}

func checkMetadataSize(v any) error {
	const most = 8 << 10
	n := 0
	for name, value := range *v.(*map[string]string) {
		n += len("x-oss-meta-") + len(name) + len(value)
	}
	if n > most {
		return fmt.Errorf("%d bytes are more than the %d that an object can have", n, most)
	}
	return nil
}

func checkTag(name, value string) error {
	const symbols = " +-=._:/"
	for _, part := range []struct {
		what, text  string
		least, most int
	}{{"name", name, 1, 128}, {"value", value, 0, 256}} {
		n := utf8.RuneCountInString(part.text)
		bad := strings.ContainsFunc(part.text, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(symbols, r)
		})
		if n < part.least || n > part.most || bad {
			return fmt.Errorf("%q is no tag %s: %d to %d letters, digits, spaces and + - = . _ : /", part.text, part.what, part.least, part.most)
		}
	}
	return nil
}

func checkTagCount(v any) error {
	if n := len(*v.(*map[string]string)); n > 10 {
		return fmt.Errorf("%d tags are more than the 10 that an object can have", n)
	}
	return nil
}
