package upload

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// An Action is what is to be done about one path.
type Action int

const (
	Skip   Action = iota // nothing: what is there is what was sent
	Upload               // read and send the file
	Touch                // same bytes under a new version: index only
	Copy                 // server-side copy from Job.From, for a renamed file
	Delete               // delete the object, then forget the entry
	Trash                // copy the object below the trash prefix, then Delete
	Forget               // drop the entry, keep the object
)

// A Target is where the files of one job come from and where they go. It is
// shared by all its jobs and safe for concurrent use.
type Target struct {
	Name   string // of the job
	Tree   *Tree
	Bucket Bucket
	Index  Index
	Object Properties

	noCopy atomic.Int64 // when the role was found not to be allowed to copy, ns since 1970; 0: never
}

// Properties are given to every object of a Target.
type Properties struct {
	StorageClass string // "" means the bucket's
	Encryption   string // "", "AES256", "KMS" or "KMS:KEY-ID"
	ACL          string // "" means the bucket's
	CacheControl string
	ContentTypes map[string]string // by extension with its dot, lower case, before the built-in table
	Metadata     map[string]string // x-oss-meta-*
	Tags         map[string]string
	Preserve     bool   // keep mtime and mode in x-oss-meta-osssync-*
	AfterUpload  string // "keep", "delete" or "move:/path"
}

// A Job is one thing to do about one path. Whoever takes it owns it until
// Source.Done.
type Job struct {
	Target   *Target
	Action   Action
	Path     string        // relative to the source, with / separators
	Key      string        // object key
	From     string        // Copy: the path that the file had
	FromKey  string        // Copy: the object of From; "" means Known.Key
	Old      Action        // Copy: what becomes of From afterwards: Skip leaves entry and object, else Forget, Delete or Trash
	TrashKey string        // Trash, and Copy with Old Trash: the key to copy the old object to
	Version  state.Version // as the planner saw it; the worker looks again
	Known    *state.Entry  // what the index holds of Path (Copy: of From); nil for a new path
	Reason   string        // why, in a few words, for people
	Doubted  bool          // the bucket may hold something else than Known says, for nobody knows how an earlier request ended
	Live     bool          // max_wait is over: take a proven snapshot though it is being written
	Try      int           // attempts before this one
	Lane     any           // the planner's own; not for workers
}

// A Result says how a Job ended.
type Result struct {
	Err    error        // nil when done
	Entry  *state.Entry // what the index holds now; nil when it holds nothing
	Bytes  int64        // body bytes sent
	Action Action       // what was done in the end: an Upload can turn out to be a Touch
}

// A Source hands out jobs and hears how they ended. Both methods are safe for
// concurrent use.
type Source interface {
	// Next blocks until there is a job. It returns io.EOF when there will be
	// no more, and ctx.Err() when ctx is done. After another error it is called
	// again, for a minute at most. It should hand out no more than LargeAtOnce
	// large files at once: others wait with a worker each.
	Next(ctx context.Context) (*Job, error)
	// Done must be called once for each job that Next returned.
	Done(*Job, Result)
}

// An Index remembers what was uploaded. Record and Forget return only when
// the change would survive a power failure. Safe for concurrent use.
// *state.Root is the one in the product.
type Index interface {
	Record(ctx context.Context, path string, e state.Entry) error
	Forget(ctx context.Context, path string) error
	Uploads() Uploads
}

// Uploads remembers multipart uploads that have begun. Begin is durable when
// it returns; a part may be lost by a crash, for the server knows it as well.
type Uploads interface {
	// Begin replaces what was remembered for the path.
	Begin(ctx context.Context, path string, u state.Upload) error
	AddPart(ctx context.Context, path string, p state.Part) error
	// Get returns nil when nothing is remembered.
	Get(ctx context.Context, path string) (*state.Upload, error)
	Drop(ctx context.Context, path string) error
	// All returns every upload, without its parts.
	All(ctx context.Context) ([]state.PathUpload, error)
	Sums
}

// Sums remember of which parts objects consist, until the next Record or Forget
// of the path. They are lost by a crash now and then.
type Sums interface {
	// Keep remembers them; none means to forget them.
	Keep(ctx context.Context, path string, s state.Sums) error
	// Kept returns nil when nothing is remembered.
	Kept(ctx context.Context, path string) (*state.Sums, error)
}

// A Bucket stores objects. Every method is one request or, where a credential
// was refused and another could be had, two; none retries otherwise. Errors
// are *RequestError, or wrap ctx.Err(). Safe for concurrent use.
type Bucket interface {
	Objects
	Multipart
}

// A Preparer is a Bucket that can do some of the work of a put before its turn
// has come, when the processor has time for it.
type Preparer interface {
	// Prepare returns what does the put, each time that it is called. The body
	// must not change before the last call has returned.
	Prepare(ctx context.Context, key string, body []byte, h Header) func(context.Context) (Stored, error)
}

// Objects are the calls about whole objects.
type Objects interface {
	// Put replaces an object whole or not at all, so it is safe to repeat. An
	// answer without a CRC-64 is an error; whether it is the right one is for
	// the caller to see.
	Put(ctx context.Context, key string, body []byte, h Header) (Stored, error)
	Head(ctx context.Context, key string) (Stored, error)
	// Copy copies within the bucket if the source still has this ETag. The
	// copy gets the properties of h, not the source's. The CRC-64 is zero where
	// the answer does not tell it.
	Copy(ctx context.Context, from, to, etag string, h Header) (Stored, error)
	// Delete deletes up to 1,000 objects; one that is not there is no error.
	Delete(ctx context.Context, keys []string) error
}

// A Part is a finished part of a multipart upload.
type Part = state.Part

// Multipart are the calls of a multipart upload.
type Multipart interface {
	Create(ctx context.Context, key string, h Header) (uploadID string, err error)
	Part(ctx context.Context, key, uploadID string, number int, body []byte) (Part, error)
	// CopyPart makes a part from bytes of an object of the same bucket.
	CopyPart(ctx context.Context, key, uploadID string, number int, from string, offset, size int64, etag string) (Part, error)
	// Parts lists what the server holds of an upload, ascending. The CRC-64 of
	// a part is zero where the answer does not tell it.
	Parts(ctx context.Context, key, uploadID string) ([]Part, error)
	Complete(ctx context.Context, key, uploadID string, parts []Part) (Stored, error)
	// Abort of an upload that is not there is no error.
	Abort(ctx context.Context, key, uploadID string) error
	// Pending lists the unfinished uploads of keys that begin with prefix, by
	// key, up to a number of them.
	Pending(ctx context.Context, prefix string, most int) ([]Pending, error)
}

// A Pending is a multipart upload that somebody began and nobody has completed
// or aborted.
type Pending struct {
	Key   string
	ID    string
	Began time.Time // by the server's clock, to the second
}

// A Header is what goes with an object besides its bytes.
type Header struct {
	ContentType  string
	CacheControl string
	StorageClass string
	Encryption   string
	ACL          string
	Metadata     map[string]string
	Tags         map[string]string
}

// Stored is what the server says of an object that it holds.
type Stored struct {
	Size      int64 // bytes; -1 where the answer does not tell
	CRC64     uint64
	ETag      string // without quotes
	RequestID string
	Modified  time.Time         // Head only
	Metadata  map[string]string // Head only; x-oss-meta-* without that prefix, lower case
}

// A Class says what can be done about a failed request.
type Class int

const (
	Transient  Class = iota // network, 5xx, 429, throttling: try again later
	Credential              // no credential, or refused even after a refresh: wait for another
	ThisFile                // this object only: trying again cannot help before the file changes
	ThisJob                 // the whole job: no such bucket, access denied, wrong region
	Missing                 // the object or upload is not there
	Conflict                // a condition did not hold, such as an ETag
)

// Error makes a Class a target for [errors.Is]: errors.Is(err, upload.Missing)
// is true for a [RequestError] of that class.
func (c Class) Error() string { return classNames[c] }

var classNames = [...]string{
	Transient:  "transient",
	Credential: "credential refused",
	ThisFile:   "object refused",
	ThisJob:    "bucket refused",
	Missing:    "not there",
	Conflict:   "condition not met",
}

// A RequestError is a request to OSS that failed. It never holds a secret.
type RequestError struct {
	Op         string // "put", "part", …
	Key        string
	Class      Class
	Status     int    // HTTP status, 0 where there was no answer
	Code       string // OSS error code, such as "NoSuchBucket"
	EC         string // OSS's detailed code
	RequestID  string
	RetryAfter time.Duration // as the server asked, 0 otherwise
	Err        error         // cause, already redacted
}

// Error reads "op key: cause", with the status, code and request id of the
// answer where there was one.
func (e *RequestError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Key != "" {
		b.WriteString(" " + e.Key)
	}
	b.WriteString(": ")
	switch {
	case e.Code != "":
		b.WriteString(e.Code)
	case e.Status != 0:
		b.WriteString("status " + strconv.Itoa(e.Status))
	case e.Err == nil:
		b.WriteString(e.Class.Error())
	}
	if e.Err != nil {
		if e.Code != "" || e.Status != 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID)
		if e.EC != "" {
			b.WriteString(", EC " + e.EC)
		}
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// Is reports whether target is the error's Class.
func (e *RequestError) Is(target error) bool {
	c, ok := target.(Class)
	return ok && c == e.Class
}

// These say why a file was not taken; test for them with [errors.Is].
var (
	// ErrChanged means that the file changed while it was read. Look again later.
	ErrChanged = errors.New("file changed while it was read")

	// ErrBusy means that a program has the file open for writing.
	ErrBusy = errors.New("file is open for writing")

	// ErrVanished means that the file is not there any more.
	ErrVanished = errors.New("file vanished")

	// ErrMismatch means that the server's CRC-64 is not that of the bytes sent,
	// again and again. What it stored is not the file.
	ErrMismatch = errors.New("server's CRC-64 differs from that of the bytes sent")

	// ErrNoCopy means that the object of a large file cannot be made from that
	// of its old path, so that the file has to be sent.
	ErrNoCopy = errors.New("cannot be copied")

	// ErrTrashTaken means that the key in the trash belongs to an object that was
	// not put there by a deletion. Neither object is touched.
	ErrTrashTaken = errors.New("an object that nobody deleted has its key in the trash")

	// ErrRootChanged means that the source directory is not the one that was
	// opened: it was replaced or unmounted. Nothing is deleted on its word.
	ErrRootChanged = errors.New("source directory was replaced")

	// ErrNotRegular means that the path is not a regular file, or is reached
	// through a symbolic link that may not be followed.
	ErrNotRegular = errors.New("not a regular file")
)

// A FileError is a failure that concerns one local file.
type FileError struct {
	Op   string // "open", "read", "stat"
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the underlying error.
func (e *FileError) Unwrap() error { return e.Err }
