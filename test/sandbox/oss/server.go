package oss

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// Options tunes a Server. The zero value means the defaults.
type Options struct {
	// Authority knows the access keys. Nil means one that knows none, so that
	// only anonymous requests to public buckets are served.
	Authority *authority.Authority

	// Region is the region of all buckets; a version 4 signature must be for
	// it. "" means "cn-hangzhou".
	Region string

	// Domain is the name of the service, such as "oss.test": a bucket is then
	// at "bucket.oss.test", and a path style URL for a name is refused, as OSS
	// does. With "", path style works under any name, and "bucket.localhost"
	// and "bucket.127-0-0-1.any.name" are a bucket's too. An IP address is path
	// style always.
	Domain string

	// CNAMEs maps a host of one's own to the bucket that it is a CNAME of.
	CNAMEs map[string]string

	// RestoreTime is how long it takes to restore an archived object; 0 means a
	// minute, not the hours of the real service.
	RestoreTime time.Duration

	// LogSize is how many requests the log keeps; 0 means 10,000. Counters
	// count on.
	LogSize int

	// Logger is told of what goes wrong in the server itself; nil means none.
	Logger *slog.Logger
}

// A Server is an object storage service. It implements [http.Handler], and its
// methods may be called concurrently.
type Server struct {
	authority   *authority.Authority
	region      string
	hosts       hostNames
	restoreTime time.Duration
	logger      *slog.Logger
	blobs       *blobs
	store       *store
	keys        keyCache
	faults      *Faults
	requests    *Log
	started     uint32
	lastID      atomic.Uint64
	appending   sync.Mutex // held while an append is put in its place

	mu      sync.RWMutex
	buckets map[string]*bucket
}

// New opens the server whose buckets are in dir, which is made if there is
// none. A directory can be open only once. It starts nothing but, while there
// are changes, a goroutine that writes them down.
func New(dir string, opt Options) (*Server, error) {
	s := &Server{
		authority:   opt.Authority,
		region:      opt.Region,
		hosts:       hostNames{strings.ToLower(opt.Domain), maps.Clone(opt.CNAMEs)},
		restoreTime: opt.RestoreTime,
		logger:      opt.Logger,
		faults:      newFaults(),
		requests:    newLog(opt.LogSize),
		started:     uint32(time.Now().Unix()),
		buckets:     make(map[string]*bucket),
	}
	if s.authority == nil {
		s.authority = authority.New(authority.Options{})
	}
	if s.region == "" {
		s.region = "cn-hangzhou"
	}
	if s.restoreTime == 0 {
		s.restoreTime = time.Minute
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.store, err = openStore(dir); err != nil {
		return nil, err
	}
	if s.blobs, err = openBlobs(dir); err == nil {
		s.blobs.retire, s.store.reclaim = s.store.retire, s.blobs.reclaim
		p := s.blobs.packs
		p.wake, s.store.before, s.store.failed = s.store.kick, p.save, p.fail
		err = s.load()
	}
	if err != nil {
		return nil, errors.Join(err, s.store.close())
	}
	return s, nil
}

// Close writes down what has not been. No request may be under way.
func (s *Server) Close() error {
	err := s.store.close()
	s.blobs.packs.close()
	return err
}

// handlers are what serves each operation on a bucket or in it.
var handlers = map[Op]func(*Server, *exchange, *bucket) error{
	DeleteBucket:            (*Server).deleteBucket,
	GetBucketInfo:           (*Server).getBucketInfo,
	GetBucketStat:           (*Server).getBucketStat,
	GetBucketLocation:       (*Server).getBucketLocation,
	GetBucketACL:            (*Server).getBucketACL,
	PutBucketACL:            (*Server).putBucketACL,
	GetBucketVersioning:     (*Server).getBucketVersioning,
	PutBucketVersioning:     (*Server).putBucketVersioning,
	ListObjects:             (*Server).listObjects,
	ListObjectsV2:           (*Server).listObjectsV2,
	ListObjectVersions:      (*Server).listObjectVersions,
	ListMultipartUploads:    (*Server).listMultipartUploads,
	ListLiveChannel:         (*Server).listLiveChannel,
	DeleteMultipleObjects:   (*Server).deleteMultipleObjects,
	PutObject:               (*Server).putObject,
	CopyObject:              (*Server).copyObject,
	AppendObject:            (*Server).appendObject,
	GetObject:               (*Server).getObject,
	HeadObject:              (*Server).headObject,
	GetObjectMeta:           (*Server).getObjectMeta,
	DeleteObject:            (*Server).deleteObject,
	PutObjectACL:            (*Server).putObjectACL,
	GetObjectACL:            (*Server).getObjectACL,
	PutObjectTagging:        (*Server).putObjectTagging,
	GetObjectTagging:        (*Server).getObjectTagging,
	DeleteObjectTagging:     (*Server).deleteObjectTagging,
	PutSymlink:              (*Server).putSymlink,
	GetSymlink:              (*Server).getSymlink,
	RestoreObject:           (*Server).restoreObject,
	InitiateMultipartUpload: (*Server).initiateMultipartUpload,
	UploadPart:              (*Server).uploadPart,
	UploadPartCopy:          (*Server).uploadPartCopy,
	CompleteMultipartUpload: (*Server).completeMultipartUpload,
	AbortMultipartUpload:    (*Server).abortMultipartUpload,
	ListParts:               (*Server).listParts,
}

type asideKey struct{}

// Aside returns the context of requests that the program which runs the server
// makes for itself: no fault happens to them, and they are not in the log.
func Aside(ctx context.Context) context.Context {
	return context.WithValue(ctx, asideKey{}, true)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, conn: w, r: r, region: s.region, start: time.Now(), now: s.authority.Now(), id: s.newID()}
	h := w.Header()
	h["Server"] = []string{"AliyunOSS"}
	h["X-Oss-Request-Id"] = []string{x.id}
	t, terr := parseTarget(r, &s.hosts)
	x.target = t
	x.op = operation(r, t)
	if r.Context().Value(asideKey{}) != nil {
		s.answer(x, terr)
		return
	}
	if s.inject(x) {
		s.requests.add(x)
		x.cut()
		return
	}
	if !x.answered() {
		s.answer(x, terr)
	}
	s.requests.add(x)
	if x.lost {
		x.cut()
	}
}

// answer does what the request asks for, or refuses it.
func (s *Server) answer(x *exchange, parsed *Error) {
	err := error(parsed)
	if parsed == nil {
		err = s.serve(x)
	}
	if err == nil {
		return
	}
	if x.fault != nil && x.fault.Reset != "" {
		x.lost = true // the body was cut off on purpose
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = internalError(err)
	}
	if e.Status == http.StatusInternalServerError {
		s.logger.ErrorContext(x.r.Context(), "request failed", "key", x.key, "err", err)
	}
	x.refuse(e)
}

// serve authenticates the request and calls its handler.
func (s *Server) serve(x *exchange) error {
	if err := s.store.failure(); err != nil {
		return internalError(err)
	}
	var b *bucket
	// A bucket that is not there is told of even to one whose key is unknown.
	if x.bucket != "" && x.op != PutBucket {
		if b = s.bucket(x.bucket); b == nil {
			return noSuchBucket(x.bucket)
		}
	}
	if err := s.authenticate(x); err != nil {
		return err
	}
	if err := s.authorize(x, b); err != nil {
		return err
	}
	if err := x.limitTraffic(); err != nil {
		return err
	}
	switch x.op {
	case ListBuckets:
		return s.listBuckets(x)
	case PutBucket:
		return s.putBucket(x)
	case Unsupported:
		return notImplemented("The sandbox does not implement this operation.")
	case Unknown:
		return methodNotAllowed(x.r.Method, "OBJECT")
	}
	return handlers[x.op](s, x, b)
}

// bucket returns a bucket, nil if there is none.
func (s *Server) bucket(name string) *bucket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name]
}

// newID returns the id of a request: 24 hexadecimal digits.
func (s *Server) newID() string {
	const digits = "0123456789ABCDEF"
	var b [24]byte
	n, t := s.lastID.Add(1), s.started
	for i := 23; i >= 8; i, n = i-1, n>>4 {
		b[i] = digits[n&15]
	}
	for i := 7; i >= 0; i, t = i-1, t>>4 {
		b[i] = digits[t&15]
	}
	return string(b[:])
}
