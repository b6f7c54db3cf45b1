package oss

import (
	"sync"
	"time"
)

// A Request is one line of the log.
type Request struct {
	ID          string        `json:"id"` // as in x-oss-request-id
	Time        time.Time     `json:"time"`
	Took        time.Duration `json:"took"` // nanoseconds
	Op          Op            `json:"op"`
	Method      string        `json:"method"`
	Bucket      string        `json:"bucket,omitempty"`
	Key         string        `json:"key,omitempty"`
	Status      int           `json:"status"`         // 0 where the connection was cut before an answer
	Code        string        `json:"code,omitempty"` // of the error
	In          int64         `json:"in"`             // bytes of the body that was stored or read
	Out         int64         `json:"out"`            // bytes of the answer's body
	AccessKeyID string        `json:"accessKeyId,omitempty"`
	Generation  int           `json:"generation,omitempty"` // of the STS credential
	Fault       bool          `json:"fault,omitempty"`      // a fault was injected
	Lost        bool          `json:"lost,omitempty"`       // the connection was cut
}

// A Counter counts the requests of one operation.
type Counter struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"` // of a status of 300 or more, or cut
	In       int64 `json:"in"`     // bytes
	Out      int64 `json:"out"`
}

// A Log is the requests that a server has answered: counters of all, and the
// last of them whole. Its methods may be called concurrently.
//
// A request is in the log once it has been answered, which may be a moment after the
// client has the answer.
type Log struct {
	mu     sync.Mutex
	size   int
	ring   []Request
	next   int // in ring, once that is full
	counts map[Op]*Counter
}

func newLog(size int) *Log {
	if size == 0 {
		size = 10_000
	}
	return &Log{size: size, counts: make(map[Op]*Counter)}
}

// add logs a request.
func (l *Log) add(x *exchange) {
	r := Request{
		ID: x.id, Time: x.start, Took: time.Since(x.start), Op: x.op, Method: x.r.Method, Bucket: x.bucket, Key: x.key,
		Status: x.status, Code: x.code, In: x.in, Out: x.out,
		AccessKeyID: x.grant.AccessKeyID, Generation: x.grant.Generation,
		Fault: x.fault != nil, Lost: x.lost,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[x.op]
	if c == nil {
		c = new(Counter)
		l.counts[x.op] = c
	}
	c.Requests++
	c.In += r.In
	c.Out += r.Out
	if r.Lost || r.Status >= 300 {
		c.Errors++
	}
	if len(l.ring) < l.size {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % l.size
}

// Entries returns the last requests, the oldest first: no more than
// Options.LogSize, and none from before Reset.
func (l *Log) Entries() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(append(make([]Request, 0, len(l.ring)), l.ring[l.next:]...), l.ring[:l.next]...)
}

// Select returns those of Entries that are of an operation.
func (l *Log) Select(op Op) []Request {
	var list []Request
	for _, r := range l.Entries() {
		if r.Op == op {
			list = append(list, r)
		}
	}
	return list
}

// Count returns how many requests of an operation there were since Reset.
func (l *Log) Count(op Op) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.counts[op]; c != nil {
		return c.Requests
	}
	return 0
}

// Counters returns the counters of all operations that there were.
func (l *Log) Counters() map[Op]Counter {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := make(map[Op]Counter, len(l.counts))
	for op, c := range l.counts {
		m[op] = *c
	}
	return m
}

// Reset empties the log and the counters.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.next = nil, 0
	clear(l.counts)
}

// Requests returns the log.
func (s *Server) Requests() *Log { return s.requests }
