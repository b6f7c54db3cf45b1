package watch

import (
	"context"
	"errors"
)

// A source is told by the operating system what changes in a tree, and marks
// it in a pending set. There is one implementation for each system; a nil
// source means that the tree is polled. All methods are safe for concurrent
// use.
type source interface {
	// enter is called with an open directory before it is read, and has it
	// watched from then on. It fails with errStale if the directory is not
	// where it was, and with errUnknown if its parent has not been entered.
	enter(d *directory) error

	// listed is called with each listing after it was handed over.
	listed(dir string, digest uint64)

	// unread is called with a directory that cannot be read.
	unread(dir string)

	// gone is called with the path of a directory that is not there.
	gone(dir string)

	// known reports whether a directory has been entered and nothing was heard
	// of it since that makes it doubtful.
	known(dir string) bool

	// last returns the digest of the last listing of a directory, if that is
	// not watched; only then is the digest of use.
	last(dir string) (digest uint64, unwatched bool)

	// unwatched returns some of the directories that are entered but not
	// watched, from a cursor on that is 0 at first and -1 at the end.
	unwatched(cursor int) (dirs []string, next int)

	// cookie returns when all events of changes before the call are marked.
	cookie(ctx context.Context) error

	stats(*Stats)
	close()
}

var (
	errStale   = errors.New("directory was replaced while it was looked at")
	errUnknown = errors.New("parent is not watched")
	errLost    = errors.New("events were lost")
)

// A host is what a source reports to.
type host struct {
	root    string // absolute, free of symbolic links
	opt     Options
	pending *pending
	lost    func(reason error) // the source can no longer be trusted
}
