package plan

import (
	"context"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A Cause is what a hint says has happened to a path. It decides when the path
// is looked at, and nothing else.
type Cause int

// The causes of hints.
const (
	Changed Cause = iota // it was made or written, or nothing better is known
	Closed               // a writer closed it
	Moved                // it was renamed or linked into place
	Removed              // it was deleted or renamed away; all below it, if a directory
)

// A File is a regular file as a listing of its directory showed it.
type File struct {
	Name               string // last element of the path
	Size, MTime, CTime int64  // bytes, ns since 1970
	FileID             state.FileID
}

// A Listing is what one directory holds. It is complete: a directory that could
// not be read to its end is not listed. One that is gone is listed as empty.
type Listing struct {
	Dir    string   // relative to the source, "" is the source
	Digest uint64   // of all that Files and Dirs say; equal digests mean equal listings, 0 tells nothing
	Files  []File   // regular files in any order; Listed sorts them
	Dirs   []string // names of the directories that are entered, in byte order
	Scan   uint64   // number of the full scan it belongs to; 0 for a single look
}

// A Scan is the outcome of a full scan.
type Scan struct {
	Number   uint64
	Complete bool           // every directory was read
	Unread   []string       // the ones that were not
	Root     state.Identity // of the source when the scan began
	Err      error          // why the source itself could not be read
}

// A Tree looks at local files. *upload.Tree is the one in the product. Safe for
// concurrent use.
type Tree interface {
	// Stat returns the version of the regular file at path. Its error wraps
	// upload.ErrVanished when nothing is there, and upload.ErrNotRegular when
	// the path is not a regular file or leads through a symbolic link.
	Stat(path string) (state.Version, error)
	// Identity returns which directory Stat looks into.
	Identity() (state.Identity, error)
	// Present returns an error, which wraps upload.ErrRootChanged, unless the
	// source's path still leads to that directory.
	Present() error
}

// An Index is what is known of the bucket. *state.Root is the one in the
// product. Safe for concurrent use.
type Index interface {
	// Lookup returns nil for a path that is not known.
	Lookup(ctx context.Context, path string) (*state.Entry, error)
	// Files returns up to limit files of dir whose names come after after, in
	// byte order.
	Files(ctx context.Context, dir, after string, limit int) ([]state.Named, error)
	// Dirs returns, in byte order, the names of the directories in dir that
	// hold a known file, directly or below.
	Dirs(ctx context.Context, dir string) ([]string, error)
}

// Options tunes a Queue. The zero value means the defaults.
type Options struct {
	// Report hears of every outcome, one call at a time for each path; nil
	// means nobody. It is called in the goroutine of Next or Done and must not
	// call the Queue or a Lane.
	Report func(Event)

	// MaxTries is after how many failed attempts a file counts as failed for
	// good; 0 means never. Where it is set, a lane ends as soon as its bucket
	// or the credential refuses everything.
	MaxTries int

	// Large is the size over which a file is large, in bytes: no more than
	// upload.LargeAtOnce of them are handed out at once, so that they keep no
	// worker from small ones. 0 means that none is.
	Large int64

	// DryRun promises that jobs are only looked at: nothing is written, not
	// even which directory the source is.
	DryRun bool
}

// LaneOptions describe a lane, which is the queue of one job. Target, Tree and
// Index are required; the zero value of everything else is valid and means what
// its comment says.
type LaneOptions struct {
	Target *upload.Target
	Tree   Tree
	Index  Index

	// List reads one directory now. Its error wraps upload.ErrVanished or
	// fs.ErrNotExist if there is no such directory. nil means that it cannot
	// be done: then Rescan is asked for instead.
	List func(ctx context.Context, dir string) (Listing, error)

	// Rescan asks for a full scan; it must not block. nil means that the next
	// one comes by itself.
	Rescan func()

	// Count returns how much the index holds; nil means that it is not known.
	Count func(ctx context.Context) (files, bytes int64, err error)

	// Damaged reports whether the index has met a row that it cannot tell, so
	// that a file which it does not know is compared with the object of its key
	// before it is sent. It is asked after the index was; nil means never.
	Damaged func() bool

	// Digests hands out the digests of directories that were in order when
	// SetDigest remembered them; whatever is recorded in a directory must have
	// made it forget. Both nil means that they are known only while the lane
	// lives.
	Digests   func(ctx context.Context, fn func(dir string, digest uint64) error) error
	SetDigest func(ctx context.Context, dir string, digest uint64) error

	// Root is the directory that the index was made of; zero means not known,
	// and the first complete scan tells. SetRoot remembers another, durably;
	// nil means that nobody does.
	Root    state.Identity
	SetRoot func(ctx context.Context, id state.Identity) error

	Prefix string // of the keys
	// Expand returns the prefix of one file's key, where it depends on the
	// file; nil means that it is Prefix.
	Expand func(rel string, mtime time.Time) string
	Filter *Filter // nil takes all

	Settle  time.Duration // quiet time before a changed file is looked at
	MaxWait time.Duration // from its first change to a snapshot of a file still open; 0 means never

	Deletes     Deletes // "" means Keep
	TrashPrefix string  // before the key of a trashed object
	MaxDeletes  Limit   // deletions within an hour
	Frozen      bool    // no deletions until Freeze(false), as when the index was rebuilt

	// Rival returns why nothing may be deleted because of another agent that
	// writes to the same place, "" where there is none. It is asked right
	// before deletions and may take a while; nil means that there is none.
	Rival func(ctx context.Context) string

	Renames bool // copy within the bucket instead of uploading a renamed file

	Weight int // share of the workers among lanes; 0 means 1
}

// An Event is the outcome of one attempt, or of a look that found nothing to do.
type Event struct {
	Job       string // name of the lane's target
	Action    upload.Action
	Path      string // "" when it concerns the whole job
	Key       string
	Bytes     int64 // body bytes sent; in a dry run, the file's size
	Reason    string
	Err       error         // nil when done; a *HoldError when deletions are held, or, with a Path, this one
	Try       int           // attempts so far, from 1
	Final     bool          // no further attempt before the file changes or a scan sees it
	Wait      time.Duration // before the next attempt, if not Final
	RequestID string        // of a request that failed
}
