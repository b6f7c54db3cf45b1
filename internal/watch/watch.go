// Package watch finds out what changes below a directory.
//
// A [Watcher] listens to the operating system and scans. Both give hints only:
// a hint says "look here", never what is there now. Whoever receives it looks
// at the file itself. What matters is that every file that changed is hinted,
// or is in a listing, after its last change; that a hint comes too often, too
// late or for nothing costs one look.
//
// # What is promised
//
// Every change that the operating system reports is handed over. Where it
// cannot report, because its queue overflowed, a directory was renamed while
// it was being watched, or the watcher failed in a way it does not know, the
// directories concerned are listed again, or the whole tree is scanned with a
// fresh watcher. Where it does not report at all (writes through a memory map,
// through a hard link in another directory, by another host) the periodic scan
// finds the change.
//
// # Directories
//
// On Linux each directory is watched on its own. It is watched before it is
// read, so that a file is either in the listing or reported. On Windows one
// watch serves the tree. Network and user-space file systems are polled.
// Directories that [Options.Exclude] names are neither watched nor read, and
// symbolic links are not followed unless [Options.FollowSymlinks] says so.
//
// # Memory
//
// Memory is needed for each directory, never for each file: about 120 bytes
// here, 140 in the notification library and 1.2 KiB in the kernel for a
// watched one. Hints that the sink has not taken yet are bounded: above 65,536
// they become listings of their directories, and above 4,096 of those a scan.
package watch

import (
	"context"
	"log/slog"
	"time"
)

// A Cause says why a file is hinted, as far as that is known.
type Cause uint8

const (
	// Changed means that the file was created or written, or that nothing
	// better is known. A program may still be writing to it.
	Changed Cause = iota
	// Closed means that a program that had the file open for writing closed
	// it. Another may still have it open.
	Closed
	// Moved means that the file was renamed to this path within the tree.
	Moved
	// Removed means that the path was deleted or renamed away. It may be a
	// directory's where the system does not tell.
	Removed
)

// String returns the cause in one lower-case word.
func (c Cause) String() string {
	switch c {
	case Closed:
		return "closed"
	case Moved:
		return "moved"
	case Removed:
		return "removed"
	}
	return "changed"
}

// A Sink takes what a Watcher finds. All methods are called by several
// goroutines at once. Paths are relative to the root, with "/" between the
// elements, in the bytes that the file system holds; the root itself is "".
type Sink interface {
	// Hint says that the file at path may have changed. It must not block.
	Hint(path string, c Cause)

	// Listed hands over what one directory holds. A directory that is there
	// no more is listed as empty. It may block, which slows the scan down. An
	// error ends Run or ScanOnce with that error.
	Listed(ctx context.Context, l Listing) error

	// Scanned ends a scan of the whole tree: each of its listings has been
	// handed over. An error ends Run or ScanOnce with that error.
	Scanned(ctx context.Context, s Scan) error
}

// A File is a regular file as a listing shows it.
type File struct {
	Name   string    // last element of the path
	Size   int64     // bytes
	MTime  int64     // modification time, ns since 1970
	CTime  int64     // inode change time, ns since 1970; ChangeTime on Windows
	FileID [2]uint64 // number within its file system, low word first
	Mode   uint32    // permission bits; 0 on Windows
}

// A Listing is what one directory held when it was read. Its slices are the
// watcher's again when Listed returns; the strings may be kept.
type Listing struct {
	Dir string // relative to the root

	// Digest is equal for two listings if and (but for chance, 1 in 2^64)
	// only if they hold the same Dirs and the same name, size, times and file
	// id of each of Files. It may be kept and compared with one of another
	// run. It is never 0, but for a directory that is not there.
	Digest uint64

	Files   []File   // regular files, in no order: whoever knows the digest needs none
	Dirs    []string // names of the directories that are entered, bytewise
	Special int      // symbolic links, FIFOs, sockets and devices: not listed
	Scan    uint64   // Number of the scan that it is part of, 0 for a single look
}

// An Identity tells one directory from another at the same path.
type Identity struct {
	Device uint64
	FileID [2]uint64
}

// A Scan sums up one pass over the whole tree.
type Scan struct {
	Number   uint64   // 1 for the first
	Complete bool     // every directory was read
	Unread   []string // directories that were not, the first 1,000; what is below them is unknown
	Reasons  []error  // why, of each of Unread
	Failed   int64    // how many were not, those that Unread has no room for included
	Why      error    // the first of Reasons
	Root     Identity
	Files    int64
	Dirs     int64 // with the root
	Special  int64
	Took     time.Duration
	Err      error // the root itself cannot be read; nothing is known of the tree
}

// Options tunes a Watcher. The zero value means the defaults.
type Options struct {
	// Exclude reports whether a directory is left alone with all it holds.
	// Nil excludes none. It is called by several goroutines at once.
	Exclude func(dir string) bool

	// Rescan is the time from one scan of the tree to the next, ±10 %; 0
	// means 1 h. A tree that is polled is scanned more often: after twenty
	// times as long as the last scan took, at least 5 s, at most 5 min.
	Rescan time.Duration

	// Poll means that the operating system is not asked for changes.
	Poll bool

	// FollowSymlinks follows relative symbolic links that stay inside the
	// root. What lies behind a link to a directory is polled.
	FollowSymlinks bool

	// Workers is how many directories a scan reads at once; 0 means one for
	// each processor, but at least 2 and at most 8.
	Workers int

	// PrivateDir is a directory for the few files by which the watcher tests
	// itself; "" means that for temporary files.
	PrivateDir string

	// Logger is told of what limits the watching; nil means none.
	Logger *slog.Logger
}

// Stats says how a Watcher is doing.
type Stats struct {
	Mode       string // "inotify", "windows" or "poll"; "" before Run
	Reason     string // why the mode is "poll", in a few words for people
	CloseWrite bool   // hints tell when a writer has closed the file
	Watched    int    // directories watched; on Windows those below the one watch are not counted
	Total      int    // directories known to the watcher
	Advice     string // the line for sysctl.d that lifts the limit that was met; "" where none was
	Overflows  uint64 // times that the events of the system were lost
	Recoveries uint64 // times that the watcher was replaced
	Collapses  uint64 // times that hints became listings, or listings a scan
	Scans      uint64 // scans of the whole tree that ended
	Last       Scan   // the last of them
	LastAt     time.Time
	Pending    int // hints and directories not yet handed over
}

func (o Options) withDefaults() Options {
	if o.Exclude == nil {
		o.Exclude = func(string) bool { return false }
	}
	if o.Rescan <= 0 {
		o.Rescan = time.Hour
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
