package config

import "strings"

// LeaseName is what [LeaseKey] puts after a prefix. No filter takes a file of
// this path.
const LeaseName = ".osssync/lease"

// LeaseKey returns the key of the object by which two agents notice that they
// write below the same prefix. It is of no file: whoever compares a listing with
// a source must pass it over. prefix may be as the configuration has it or as
// [Expand] returned it; where a part depends on the file, what comes before
// that part counts.
func LeaseKey(prefix string) string {
	for rest := prefix; ; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			return prefix + LeaseName
		}
		name, after, _ := strings.Cut(rest[i+1:], "}")
		if perFile(name) {
			return prefix[:len(prefix)-len(rest)+i] + LeaseName
		}
		rest = after
	}
}

// Shareable reports whether two instances can come to write below this prefix:
// one that holds the instance's id is its own.
func Shareable(prefix string) bool { return !Uses(prefix, "instance_id") }
