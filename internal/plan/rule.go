package plan

import (
	"errors"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// A rule is one line of a Filter.
type rule struct {
	text    string // as it was written
	take    bool
	dirs    bool     // matches directories only
	name    bool     // matched against the last element, at any depth
	pattern string   // for doublestar
	parts   []string // elements of pattern; of a name pattern, one
	above   string   // pattern is above + "/*" or above + "/**/*", and not for directories only
	literal bool     // pattern has no special character
	suffix  string   // pattern is "*" + suffix, and suffix is literal
}

// parseRule reads "+ PATTERN" or "- PATTERN".
func parseRule(text string) (rule, error) {
	r := rule{text: text}
	switch {
	case strings.HasPrefix(text, "+ "):
		r.take = true
	case !strings.HasPrefix(text, "- "):
		return r, errors.New(`must begin with "+ " or "- "`)
	}
	p, err := checkPattern(trimSpaces(text[2:]))
	if err != nil {
		return r, err
	}
	if strings.HasSuffix(p, "/") {
		r.dirs = true
		p = strings.TrimSuffix(p, "/")
	}
	r.name = !strings.Contains(p, "/")
	p = strings.TrimPrefix(p, "/")
	// gitignore knows no braces, doublestar does; and it knows runs of stars.
	p = plainStars(escape(p, "{}"))
	if !doublestar.ValidatePattern(p) {
		return r, errors.New("bad pattern: a [ without its ], or a lone \\ at the end")
	}
	r.compile(p)
	return r, nil
}

// checkPattern refuses patterns that could never match anything, for they are
// mistakes.
func checkPattern(p string) (string, error) {
	switch {
	case p == "" || p == "/":
		return "", errors.New("no pattern")
	case strings.HasPrefix(p, " "):
		return "", errors.New(`pattern begins with a space; if it is meant, write "\ "`)
	case strings.HasPrefix(p, "!"):
		return "", errors.New(`pattern begins with !; to take files, write "+ "; a name that begins with ! is "\!"`)
	case strings.HasPrefix(p, "./"):
		return "", errors.New("pattern begins with ./; to tie it to the source's root, begin it with /")
	case strings.Contains(p, "//"):
		return "", errors.New("empty element between slashes")
	case strings.IndexByte(p, 0) >= 0:
		return "", errors.New("NUL in pattern")
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "." || part == ".." {
			return "", errors.New(". and .. match nothing; patterns are relative to the source")
		}
	}
	return p, nil
}

// trimSpaces drops trailing spaces that are not escaped, as gitignore does.
func trimSpaces(p string) string {
	t := strings.TrimRight(p, " ")
	if t == p {
		return p
	}
	slashes := len(t) - len(strings.TrimRight(t, `\`))
	if slashes%2 == 1 {
		return t + " "
	}
	return t
}

// escape puts a backslash before each unescaped character of set.
func escape(p, set string) string {
	if !strings.ContainsAny(p, set) {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+1 < len(p) {
			b.WriteByte(p[i])
			i++
		} else if strings.IndexByte(set, p[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// plainStars makes runs of stars what gitignore takes them for: ** where they
// are a whole element, a single one elsewhere.
func plainStars(p string) string {
	if !strings.Contains(p, "**") {
		return p
	}
	parts := strings.Split(p, "/")
	for i, part := range parts {
		if strings.Trim(part, "*") == "" && len(part) > 1 {
			parts[i] = "**"
			continue
		}
		var b strings.Builder
		for j := 0; j < len(part); j++ {
			if part[j] == '\\' && j+1 < len(part) {
				b.WriteString(part[j : j+2])
				j++
			} else if part[j] != '*' || j == 0 || part[j-1] != '*' || escaped(part, j-1) {
				b.WriteByte(part[j])
			}
		}
		parts[i] = b.String()
	}
	return strings.Join(parts, "/")
}

// noSlash keeps negated sets from matching a slash, as doublestar lets them.
func noSlash(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		b.WriteByte(p[i])
		switch {
		case p[i] == '\\' && i+1 < len(p):
			i++
			b.WriteByte(p[i])
		case p[i] == '[' && i+1 < len(p):
			i++
			b.WriteByte(p[i])
			if p[i] == '!' || p[i] == '^' {
				b.WriteByte('/')
			}
			// Whatever else is in the set is copied up to its end.
			for i++; i < len(p) && p[i] != ']'; i++ {
				b.WriteByte(p[i])
				if p[i] == '\\' && i+1 < len(p) {
					i++
					b.WriteByte(p[i])
				}
			}
			if i < len(p) {
				b.WriteByte(']')
			}
		}
	}
	return b.String()
}

// escaped says whether a backslash takes the meaning from p[i].
func escaped(p string, i int) bool {
	slashes := i - len(strings.TrimRight(p[:i], `\`))
	return slashes%2 == 1
}

// compile sets the pattern and what makes matching it fast.
func (r *rule) compile(p string) {
	const special = `*?[]\`
	if r.name && (p == "**" || p == "*") {
		p = "*"
	} else if p == "**" {
		p = "**/*"
	} else if strings.HasSuffix(p, "/**") {
		// To doublestar a/** includes a itself, to gitignore only what is below.
		p += "/*"
	}
	r.pattern = noSlash(p)
	r.parts = strings.Split(p, "/")
	if last := len(r.parts) - 1; !r.dirs && !r.name && last > 0 && r.parts[last] == "*" {
		if r.parts[last-1] == "**" && last > 1 {
			last--
		}
		r.above = noSlash(strings.Join(r.parts[:last], "/"))
	}
	r.literal = !strings.ContainsAny(p, special)
	if rest, ok := strings.CutPrefix(p, "*"); ok && r.name && !strings.ContainsAny(rest, special) {
		r.suffix = rest
	}
}

// matches says whether the pattern matches the path itself. name is its last
// element.
func (r *rule) matches(path, name string, isDir bool) bool {
	if r.dirs && !isDir {
		return false
	}
	if r.name {
		path = name
	}
	switch {
	case r.literal:
		return path == r.pattern
	case r.suffix != "":
		return strings.HasSuffix(path, r.suffix)
	}
	return doublestar.MatchUnvalidated(r.pattern, path)
}

// matchesAbove says whether the pattern matches dir or a directory above it.
func (r *rule) matchesAbove(dir string) bool {
	for dir != "" {
		parent, name := split(dir)
		if r.matches(dir, name, true) {
			return true
		}
		dir = parent
	}
	return false
}

// coversBelow says whether the pattern surely matches everything in dir. It may
// err to the side of no.
func (r *rule) coversBelow(dir string) bool {
	if r.name {
		return !r.dirs && r.pattern == "*"
	}
	return r.above != "" && doublestar.MatchUnvalidated(r.above, dir)
}

// reachesBelow says whether the pattern could match something below dir that it
// does not match by matching dir or a directory above. It may err to the side
// of yes.
func (r *rule) reachesBelow(dir string) bool {
	if r.name {
		return true
	}
	parts := r.parts
	for element := range strings.SplitSeq(dir, "/") {
		if len(parts) == 0 {
			return false
		}
		if parts[0] == "**" {
			return true
		}
		if ok, err := doublestar.Match(parts[0], element); err == nil && !ok {
			return false
		}
		parts = parts[1:]
	}
	return len(parts) > 0
}
