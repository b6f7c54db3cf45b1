package oss

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Fault is something that goes wrong, and the requests it happens to. The
// zero value of a field means that it does not restrict, or does nothing. A
// fault may do several things at once: {Latency, Status} waits, then refuses.
type Fault struct {
	// Which requests.
	Op     Op      `json:"op,omitempty"`     // of one operation
	Bucket string  `json:"bucket,omitempty"` // of one bucket
	Key    string  `json:"key,omitempty"`    // of a key that fits: '*' is any bytes, '/' too, '?' is one
	Skip   int     `json:"skip,omitempty"`   // not the first of them
	Count  int     `json:"count,omitempty"`  // no more than that many; 0 is without end
	Rate   float64 `json:"rate,omitempty"`   // of those left that share, by chance with a fixed seed; 0 is all

	// What happens before the answer.
	Latency   time.Duration `json:"-"`                   // wait first; "latency" in JSON, as "250ms"
	Hang      bool          `json:"hang,omitempty"`      // wait until the client goes or the fault is removed
	Bandwidth int64         `json:"bandwidth,omitempty"` // bytes per second of either body
	Skew      time.Duration `json:"-"`                   // the server's clock is off by that; "skew" in JSON
	Token     TokenFault    `json:"token,omitempty"`     // what is said of the credential, if it was good

	// An answer instead of the real one; the operation is not carried out.
	Status      int               `json:"status,omitempty"` // HTTP status; needed for the others
	Code        string            `json:"code,omitempty"`   // such as "ServiceUnavailable"
	Message     string            `json:"message,omitempty"`
	Header      map[string]string `json:"header,omitempty"`      // such as x-oss-qos-delay-time; also added to a real answer
	Body        string            `json:"body,omitempty"`        // instead of the XML of an error, such as a page of HTML
	ContentType string            `json:"contentType,omitempty"` // of Body; "" is text/html
	Redirect    string            `json:"redirect,omitempty"`    // Location; Status 0 is 307 then

	// What happens to the real answer, or to the connection.
	Reset     Reset    `json:"reset,omitempty"`
	LoseReply bool     `json:"loseReply,omitempty"` // carry the operation out, then cut the connection
	Truncate  bool     `json:"truncate,omitempty"`  // half of the XML, with a Content-Length that fits
	CRC       CRCFault `json:"crc,omitempty"`       // in x-oss-hash-crc64ecma
}

// Reset says where a connection is cut.
type Reset string

// The places where a connection can be cut, by a TCP reset.
const (
	ResetBefore   Reset = "before"   // before the body of the request is read
	ResetRequest  Reset = "request"  // in the middle of the request's body; nothing is stored
	ResetAfter    Reset = "after"    // when the body has been read; nothing is stored
	ResetResponse Reset = "response" // in the middle of the answer's body
)

// A CRCFault says what is wrong with a CRC-64.
type CRCFault string

// What can be wrong with a CRC-64.
const (
	CRCWrong   CRCFault = "wrong"
	CRCMissing CRCFault = "missing"
)

// A TokenFault says what a good credential is taken for.
type TokenFault string

// What a credential can be taken for.
const (
	TokenExpired TokenFault = "expired" // 403 SecurityTokenExpired
	TokenInvalid TokenFault = "invalid" // 403 InvalidSecurityToken
	TokenRevoked TokenFault = "revoked" // 403 InvalidAccessKeyId
)

// Throttled returns a fault that refuses requests as OSS does when there are
// too many, with a delay for the client to keep.
func Throttled(delay time.Duration) Fault {
	return Fault{Status: 503, Code: "TotalQpsLimitExceeded", Message: "Please reduce your request rate.",
		Header: map[string]string{"x-oss-qos-delay-time": fmt.Sprint(delay.Milliseconds())}}
}

// BadGateway returns a fault that answers with the page of a load balancer,
// which is not XML and has no request id.
func BadGateway() Fault {
	return Fault{Status: 502, Body: "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>\n"}
}

// An Injected is a fault that has been added.
type Injected struct {
	ID    int   `json:"id"`
	Fault Fault `json:"fault"`
	Hits  int   `json:"hits"` // requests that it happened to
}

// Faults are what goes wrong with a server. Its methods may be called
// concurrently. A request gets the first fault, in the order they were added,
// that fits and is neither to be skipped nor used up.
type Faults struct {
	any atomic.Bool // there is one; it spares the lock where there is none

	mu   sync.Mutex
	list []*injected
	last int
	rand *rand.Rand
}

type injected struct {
	Injected
	seen int           // requests that fit
	gone chan struct{} // closed when it is removed
}

func newFaults() *Faults { return &Faults{rand: rand.New(rand.NewPCG(1, 2))} }

// Add adds a fault and returns its id. It panics if the fault makes no sense,
// as one with an unknown operation; see [Fault].
func (fs *Faults) Add(f Fault) int {
	id, err := fs.add(f)
	if err != nil {
		panic("oss: " + err.Error())
	}
	return id
}

func (fs *Faults) add(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.last++
	fs.list = append(fs.list, &injected{Injected: Injected{ID: fs.last, Fault: f}, gone: make(chan struct{})})
	fs.any.Store(true)
	return fs.last, nil
}

// Remove removes a fault. It is false if there is none of that id.
func (fs *Faults) Remove(id int) bool {
	return fs.remove(func(i *injected) bool { return i.ID == id })
}

// Clear removes all faults. Requests that hang are cut.
func (fs *Faults) Clear() { fs.remove(func(*injected) bool { return true }) }

func (fs *Faults) remove(which func(*injected) bool) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := len(fs.list)
	fs.list = slices.DeleteFunc(fs.list, func(i *injected) bool {
		if !which(i) {
			return false
		}
		close(i.gone)
		return true
	})
	fs.any.Store(len(fs.list) > 0)
	return len(fs.list) < n
}

// List returns the faults, those that are used up too.
func (fs *Faults) List() []Injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := make([]Injected, len(fs.list))
	for i, f := range fs.list {
		list[i] = f.Injected
	}
	return list
}

// Hits returns how many requests a fault has happened to, 0 if there is none of
// that id.
func (fs *Faults) Hits(id int) int {
	for _, f := range fs.List() {
		if f.ID == id {
			return f.Hits
		}
	}
	return 0
}

// take returns the fault that happens to a request, nil for none.
func (fs *Faults) take(op Op, bucket, key string) *injected {
	if !fs.any.Load() {
		return nil
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, i := range fs.list {
		f := &i.Fault
		if f.Op != "" && f.Op != op || f.Bucket != "" && f.Bucket != bucket || f.Key != "" && !glob(f.Key, key) {
			continue
		}
		i.seen++
		if i.seen <= f.Skip || f.Count > 0 && i.Hits >= f.Count || f.Rate > 0 && fs.rand.Float64() >= f.Rate {
			continue
		}
		i.Hits++
		return i
	}
	return nil
}

// glob reports whether key fits the pattern.
func glob(pattern, key string) bool {
	star, mark := -1, 0
	p, k := 0, 0
	for k < len(key) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, k
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == key[k]):
			p++
			k++
		case star >= 0: // let the last star take one byte more
			mark++
			p, k = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// Faults returns the server's faults.
func (s *Server) Faults() *Faults { return s.faults }
