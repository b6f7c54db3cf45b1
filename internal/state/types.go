package state

import (
	"fmt"
	"time"
)

// A Version tells one state of a file from every other that it ever had. Two
// looks at a file that give equal versions saw the same bytes, unless the
// entry is racy.
type Version struct {
	Size   int64  // bytes
	MTime  int64  // modification time, ns since 1970
	CTime  int64  // inode change time, ns since 1970; ChangeTime on Windows
	FileID FileID // inode number, or the file's index on its Windows volume
}

// A FileID is a file's number within its file system: low word, high word.
// The high word is zero but on ReFS.
type FileID [2]uint64

// An Entry is what the index knows of one file: the version that was read, and
// the object that this version became. An entry exists only for an object whose
// CRC-64 the server confirmed, or that a listing shows if it is Assumed.
type Entry struct {
	Version

	CRC64    uint64    // CRC-64/ECMA of the whole object
	ETag     string    // as the server gave it, without quotes
	Key      string    // object key; "" where it is the root's prefix and the path
	Uploaded time.Time // when the server confirmed it; kept to the millisecond, UTC
	Racy     bool      // a later write may bear the same version: compare bytes, not times
	Assumed  bool      // from a listing or a snapshot, or doubted since; not verified, authorises no deletion
}

// Listed reports whether all that is known of the file is what a listing of the
// bucket showed. What a snapshot adds is of the time when it was taken, and its
// ETag says nothing of the object that is there now.
func (e *Entry) Listed() bool { return e.Assumed && e.Version == Version{Size: e.Size} }

// An Upload is a multipart upload that has begun and not been completed.
type Upload struct {
	ID       string  // upload id
	Key      string  // object key
	Version  Version // of the file when the upload began
	PartSize int64   // bytes, of every part but the last
	Header   uint64  // digest of the object's properties; 0: not known
	Began    time.Time
	Parts    []Part // finished ones, ascending; gaps are allowed
}

// A Part is one finished part of an Upload.
type Part struct {
	Number int   // from 1
	Size   int64 // bytes
	CRC64  uint64
	ETag   string // without quotes
}

// A RootKey names what a root maps to what. A job whose key changes, because
// its bucket, prefix or source did, starts with an empty root of its own.
type RootKey struct {
	Source string // absolute path of the directory
	Bucket string
	Prefix string // with every placeholder expanded but dates
}

// Identity tells a source directory from another one at the same path.
type Identity struct {
	Device uint64
	FileID FileID
}

// A Named is a file of one directory, as [View.Files] lists it.
type Named struct {
	Name string // last element of the path
	Entry
}

// A Located is an entry with its whole path.
type Located struct {
	Path string
	Entry
}

// A Failure is the short story of a file that could not be uploaded.
type Failure struct {
	Path  string
	Err   string    // last cause, without secrets
	Tries int       // attempts since the last success
	Since time.Time // first of them
	Due   time.Time // next attempt; zero: when the file changes or at the next scan
}

// A Rebuild tells that the index was made anew, and of what.
type Rebuild struct {
	Time     time.Time // when, to the millisecond
	Cause    string    // what was wrong with the old one
	SetAside string    // where the old one is now; "" when there was none
	Salvaged int64     // entries read from the old one
	Snapshot int64     // entries taken from the last snapshot; they are Assumed
}

// A LockedError says that another process has the index open.
type LockedError struct {
	Dir string
	PID int // of the other process; 0 when it cannot be told
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: another process uses this state directory", e.Dir)
	}
	return fmt.Sprintf("lock %s: process %d uses this state directory", e.Dir, e.PID)
}

// A NewerError says that the index was written by a later release of osssync.
// It is left untouched.
type NewerError struct {
	Path         string
	Found, Known int // format versions
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("open %s: written by a newer osssync (format %d, this one knows %d)", e.Path, e.Found, e.Known)
}

// Hint returns the way out.
func (e *NewerError) Hint() string {
	return "install the newer release again; or move the index away, and this one makes its own and compares every file anew"
}

// A RemoteError says that the state directory is on a network file system,
// where neither locks nor shared memory can be relied on.
type RemoteError struct {
	Dir  string
	Type string // of the file system, such as "nfs"
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("open %s: on a network file system (%s): the state directory must be on a local disk", e.Dir, e.Type)
}
