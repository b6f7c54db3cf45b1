package plan

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxKey is the greatest length of an object key, in bytes.
const maxKey = 1023

// These say why a path has no object key; test for them with [errors.Is].
var (
	// ErrKeyEncoding means that the path is not valid UTF-8.
	ErrKeyEncoding = errors.New("name is not valid UTF-8")

	// ErrKeyLength means that the key is empty or over 1,023 bytes.
	ErrKeyLength = errors.New("key must have 1 to 1023 bytes")

	// ErrKeyStart means that the key begins with / or \.
	ErrKeyStart = errors.New(`key must not begin with / or \`)

	// ErrKeyTrash means that the key lies where deleted files of the same job go.
	ErrKeyTrash = errors.New("key begins with the job's trash_prefix: leave the file out by a filter, or choose another trash_prefix")
)

// A KeyError is a file that cannot have an object key. Names are never changed
// to fit, so the file fails until it is renamed.
type KeyError struct {
	Path string // relative to the source
	Err  error  // wraps one of the errors above
}

func (e *KeyError) Error() string { return fmt.Sprintf("key %q: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Key returns the object key of the file at rel, a path with / separators, below
// prefix. An error is a *KeyError.
func Key(prefix, rel string) (string, error) {
	key := prefix + rel
	switch {
	case !utf8.ValidString(key):
		return "", &KeyError{rel, ErrKeyEncoding}
	case key == "" || rel == "":
		return "", &KeyError{rel, ErrKeyLength}
	case len(key) > maxKey:
		return "", &KeyError{rel, fmt.Errorf("%w, has %d", ErrKeyLength, len(key))}
	case key[0] == '/' || key[0] == '\\':
		return "", &KeyError{rel, ErrKeyStart}
	}
	return key, nil
}
