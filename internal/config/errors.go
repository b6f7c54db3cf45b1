package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// An Error is one mistake in a configuration file.
type Error struct {
	File   string
	Line   int    // from 1; 0 when the mistake is not at any one place
	Column int    // in characters, from 1
	Key    string // such as "job.settle"; "" for a syntax error
	Err    error
	Hint   string // what to do about it; "" when Err says it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column))
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	return b.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrAccessKey is wrapped by the [Error] about a key or a value that looks like
// an access key.
var ErrAccessKey = errors.New("osssync holds no long-lived keys")

// Mistakes returns the mistakes that an error of [Load] joins, in its order; nil
// if err is no such error.
func Mistakes(err error) []*Error {
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok {
		return nil
	}
	var all []*Error
	for _, one := range joined.Unwrap() {
		if e, ok := errors.AsType[*Error](one); ok {
			all = append(all, e)
		}
	}
	return all
}

// mistakes collects errors.
type mistakes struct {
	files []string // in the order in which they were read
	all   []*Error
}

func (m *mistakes) add(at Origin, key string, err error, hint string) {
	m.all = append(m.all, &Error{at.File, at.Line, at.Column, key, err, hint})
}

// join returns all mistakes in the order of the files and of the places in
// them, or nil.
func (m *mistakes) join() error {
	slices.SortStableFunc(m.all, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(slices.Index(m.files, a.File), slices.Index(m.files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	errs := make([]error, len(m.all))
	for i, e := range m.all {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// likely returns the candidate that was probably meant by name, or "".
func likely(name string, candidates []string) string {
	name = plain(name)
	best, least := "", max(1, min(3, len(name)/3))+1
	for _, c := range candidates {
		if d := distance(name, plain(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// plain makes names equal that differ only in how their words are joined.
func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(name))
}

// distance counts the letters to insert, drop, change or swap with the next one
// to make b of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
