package plan

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// These rules come before all others. The files that osssync itself makes in a
// source are never sent, nor is one whose object would be mistaken for a lease.
const (
	ownFiles = "- .osssync-*"
	ownLease = "- /.osssync/lease"
)

// A Filter says which files are taken. It is a list of rules, each "+ PATTERN"
// to take or "- PATTERN" to leave out; the first rule whose pattern matches the
// path, or a directory above it, decides. What no rule matches is taken.
//
// Patterns are those of gitignore:
//
//	*.tmp     a name at any depth
//	/a  a/b   a slash at the start or in the middle ties it to the source's root
//	cache/    a slash at the end: directories only, and so all that is below
//	a/**/b    ** stands for any number of directories, also none
//	a/**      everything below a
//	? [a-z] [!a-z] \*   one character, one of a set, none of it, no special meaning
//
// They match case-sensitively on every platform. Unlike in gitignore the first
// match wins, not the last, and a rule can take files out of a directory that a
// later rule leaves out: with "+ *.keep", "- build/", build/x.keep is taken. Such
// directories are entered; see [Filter.ExcludesDir].
//
// The zero Filter takes everything but osssync's own files. A Filter is safe for
// concurrent use.
type Filter struct {
	rules    []rule
	min, max int64 // bytes; 0 means no bound
}

// A RuleError is a filter rule that cannot be understood.
type RuleError struct {
	Index int    // of the rule in the list, from 0
	Rule  string // as it was written
	Err   error
}

func (e *RuleError) Error() string { return fmt.Sprintf("filter rule %q: %v", e.Rule, e.Err) }

// Unwrap returns the cause.
func (e *RuleError) Unwrap() error { return e.Err }

// ParseFilter makes a Filter of rules. All that is wrong with them is reported
// at once: the error joins a *RuleError for each bad one.
func ParseFilter(rules []string) (*Filter, error) {
	f := &Filter{rules: builtin()}
	var errs []error
	for i, text := range rules {
		r, err := parseRule(text)
		if err != nil {
			errs = append(errs, &RuleError{i, text, err})
			continue
		}
		f.rules = append(f.rules, r)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f, nil
}

// builtin returns the rules that come first whatever the configuration says.
func builtin() []rule {
	var rules []rule
	for _, text := range []string{ownFiles, ownLease} {
		r, err := parseRule(text)
		if err != nil {
			panic(err) // a constant that a test holds
		}
		rules = append(rules, r)
	}
	return rules
}

// WithSizes returns a copy of f that also leaves out files of less than minimum
// or more than maximum bytes. 0 means no bound.
func (f *Filter) WithSizes(minimum, maximum int64) *Filter {
	g := *f
	g.min, g.max = minimum, maximum
	return &g
}

// Match says whether the path is taken, and the rule that decided, as it was
// written; "" where none did. path is relative to the source with / separators.
// Sizes are not looked at, see [Filter.MatchFile].
func (f *Filter) Match(path string, isDir bool) (taken bool, rule string) {
	parent, _ := split(path)
	return f.decide(f.within(parent), path, isDir)
}

// MatchFile is Match for a file of which the size is known. A file that only
// its size leaves out is decided by a rule named "min_size" or "max_size".
func (f *Filter) MatchFile(path string, size int64) (taken bool, rule string) {
	if taken, rule = f.Match(path, false); taken {
		return f.sized(size, rule)
	}
	return taken, rule
}

// sized applies the size bounds to a file that the rules take.
func (f *Filter) sized(size int64, rule string) (bool, string) {
	switch {
	case size < f.min:
		return false, fmt.Sprintf("min_size %d", f.min)
	case f.max > 0 && size > f.max:
		return false, fmt.Sprintf("max_size %d", f.max)
	}
	return true, rule
}

// bySize says whether a file's size decides too.
func (f *Filter) bySize() bool { return f.min > 0 || f.max > 0 }

// ExcludesDir says that nothing at or below the directory can be taken, so that
// it need be neither watched nor entered. A directory that a rule leaves out is
// still entered if an earlier rule could take something below it, which any
// "+" pattern without a slash at its start or in its middle can.
func (f *Filter) ExcludesDir(dir string) bool {
	if dir == "" {
		return false
	}
	for i := range f.list() {
		r := &f.list()[i]
		if r.matchesAbove(dir) || r.coversBelow(dir) {
			return !r.take
		}
		if r.take && r.reachesBelow(dir) {
			return false
		}
	}
	return false
}

// list returns the rules, also of a zero Filter.
func (f *Filter) list() []rule {
	if f.rules == nil {
		return builtin()
	}
	return f.rules
}

// undecided is the position of a rule that is not there.
const undecided = math.MaxInt

// within returns the position of the first rule that matches dir or a directory
// above it. Computed once, it serves for every file in dir.
func (f *Filter) within(dir string) int {
	first := undecided
	rules := f.list()
	for dir != "" {
		parent, name := split(dir)
		for i := range rules[:min(first, len(rules))] {
			if rules[i].matches(dir, name, true) {
				first = i
				break
			}
		}
		dir = parent
	}
	return first
}

// decide is Match where within(parent of path) is first.
func (f *Filter) decide(first int, path string, isDir bool) (taken bool, rule string) {
	_, name := split(path)
	rules := f.list()
	for i := range rules[:min(first, len(rules))] {
		if rules[i].matches(path, name, isDir) {
			first = i
			break
		}
	}
	if first == undecided {
		return true, ""
	}
	return rules[first].take, rules[first].text
}

// split cuts a path into its directory, "" for the root, and its last element.
func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// join is the reverse of split.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
