package ecs

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// keepRequests bounds the log: of more, the oldest half is forgotten.
const keepRequests = 1 << 16

// A Request is one that came in.
type Request struct {
	Time   time.Time   `json:"time"` // of the authority's clock
	Op     string      `json:"op"`   // one of the Op constants, or the action asked of STS
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Token  bool        `json:"token"`  // it brought a session token
	Status int         `json:"status"` // 0 where it got no answer, or none yet
	Header http.Header `json:"-"`      // as it came, secrets included
}

// A Log is a list of requests. The zero value is empty. It is safe for
// concurrent use.
type Log struct {
	mu   sync.Mutex
	list []*Request
}

// add appends a request and returns what sets its status.
func (l *Log) add(r Request) (done func(status int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= keepRequests {
		l.list = slices.Delete(l.list, 0, keepRequests/2)
	}
	l.list = append(l.list, &r)
	return func(status int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		r.Status = status
	}
}

// Entries returns the requests in the order in which they came.
func (l *Log) Entries() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Request, len(l.list))
	for i, r := range l.list {
		all[i] = *r
	}
	return all
}

// Count returns how many requests were for one of the operations; with none
// given, how many there were.
func (l *Log) Count(ops ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ops) == 0 {
		return len(l.list)
	}
	n := 0
	for _, r := range l.list {
		if slices.Contains(ops, r.Op) {
			n++
		}
	}
	return n
}

// Reset empties the log.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}
