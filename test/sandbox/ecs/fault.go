package ecs

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// A Fault makes requests go wrong. The zero Fault hits every request and
// changes nothing; what is set of it is done in the order of the fields.
type Fault struct {
	Op    string `json:"op,omitempty"`    // the operation that it hits; "" means each
	Skip  int    `json:"skip,omitempty"`  // requests that it lets pass first
	Count int    `json:"count,omitempty"` // requests that it hits then; 0 means all

	Latency time.Duration `json:"-"`               // wait first; "latency" in JSON, as "250ms"
	Hang    bool          `json:"hang,omitempty"`  // no answer until the client gives up or the fault is removed
	Reset   bool          `json:"reset,omitempty"` // the connection is reset before an answer

	// Status, Header and Body answer in place of the service. An error status
	// without a Body gets the service's page. A Body without a Status is a 200.
	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"` // also added to an ordinary answer
	Body   string            `json:"body,omitempty"`
	Short  bool              `json:"short,omitempty"` // the connection ends in the middle of the body

	// These bend a credential.
	Rotate  bool           `json:"rotate,omitempty"`  // each answer holds a new one
	Older   bool           `json:"older,omitempty"`   // the answer holds the one before the present, if there was one
	Expired bool           `json:"expired,omitempty"` // it ended an hour ago by what the answer says
	Fields  map[string]any `json:"fields,omitempty"`  // values in place of those in the body, or besides them
	Drop    []string       `json:"drop,omitempty"`    // fields that are left out
}

// plainFault is a Fault without its methods.
type plainFault Fault

// wireFault is a Fault in JSON.
type wireFault struct {
	plainFault
	Latency string `json:"latency,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (f Fault) MarshalJSON() ([]byte, error) {
	w := wireFault{plainFault: plainFault(f)}
	if f.Latency != 0 {
		w.Latency = f.Latency.String()
	}
	return json.Marshal(w)
}

// UnmarshalJSON implements json.Unmarshaler. A field that there is not is an
// error, for a fault misspelt is a test that proves nothing.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var w wireFault
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return err
	}
	*f = Fault(w.plainFault)
	if w.Latency == "" {
		return nil
	}
	var err error
	f.Latency, err = time.ParseDuration(w.Latency)
	return err
}

// Faults is a list of faults. The zero value is empty. It is safe for
// concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*injected
}

// injected is a fault that was added.
type injected struct {
	Fault               // Skip and Count go down
	gone  chan struct{} // closed when it is removed
}

// Add appends faults. A request is hit by the first of the list that is for its
// operation and neither skips it nor is used up.
func (fs *Faults) Add(faults ...Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range faults {
		if f.Count == 0 {
			f.Count = -1
		}
		fs.list = append(fs.list, &injected{f, make(chan struct{})})
	}
}

// Clear removes all faults. Requests that hang are let go, without an answer.
func (fs *Faults) Clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		close(f.gone)
	}
	fs.list = nil
}

// List returns the faults that are not used up, with what is left of Skip and
// Count.
func (fs *Faults) List() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := []Fault{}
	for _, i := range fs.list {
		f := i.Fault
		if f.Count == 0 {
			continue
		}
		f.Count = max(f.Count, 0)
		list = append(list, f)
	}
	return list
}

// next returns the fault that hits a request, an empty one where none does.
func (fs *Faults) next(op string) injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		switch {
		case f.Op != "" && f.Op != op, f.Count == 0:
		case f.Skip > 0:
			f.Skip--
		default:
			if f.Count > 0 {
				f.Count--
			}
			return *f
		}
	}
	return injected{}
}
