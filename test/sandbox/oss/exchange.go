package oss

import (
	"net/http"
	"strconv"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// An exchange is one request and the answer to it.
type exchange struct {
	target
	w      http.ResponseWriter
	conn   http.ResponseWriter // w, unless the answer is to be lost
	r      *http.Request
	op     Op
	id     string    // of the request
	now    time.Time // the server's clock when it arrived
	start  time.Time // the real one
	grant  authority.Grant
	region string // of the server; "" accepts any
	anon   bool   // no one signed it

	rate    int64 // bytes per second of the bodies; 0 is any
	in, out int64 // bytes of the bodies
	status  int
	code    string
	fault   *Fault // what goes wrong with it; nil for nothing
	lost    bool   // the connection is to be cut when the handler is done
}

// header returns a header of the request. The name must be in its canonical
// form, which spares the conversion.
func (x *exchange) header(name string) string {
	if v := x.r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// set sets a header of the answer. The name must be in its canonical form.
func (x *exchange) set(name, value string) {
	x.w.Header()[name] = []string{value}
}

// done answers without a body.
func (x *exchange) done(status int) {
	x.status = status
	if status != http.StatusNoContent && status != http.StatusNotModified {
		x.set("Content-Length", "0")
	}
	x.w.WriteHeader(status)
}

// write answers with a body.
func (x *exchange) write(status int, contentType string, body []byte) {
	x.status = status
	x.set("Content-Type", contentType)
	if x.fault != nil && x.fault.Truncate {
		body = body[:len(body)/2]
	}
	x.set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	if x.fault != nil && x.fault.Reset == ResetResponse {
		body = body[:len(body)/2]
		defer x.breakOff()
	}
	n, _ := x.w.Write(body) // a client that has gone cannot be told
	x.out += int64(n)
}

// breakOff sends what has been written and has the connection cut.
func (x *exchange) breakOff() {
	http.NewResponseController(x.w).Flush() // the connection ends either way
	x.lost = true
}

// document answers 200 with a document.
func (x *exchange) document(d *document) { x.write(http.StatusOK, "application/xml", d.b) }

// setVersion names the version that the request was about or made.
func (x *exchange) setVersion(b *bucket, o *object) {
	if b.versioned() {
		x.set("X-Oss-Version-Id", o.versionID())
	}
}
