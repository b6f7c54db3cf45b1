package ecs

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// An answer is what goes back, whole.
type answer struct {
	status int
	ctype  string
	body   string
}

// text is the answer of the metadata service to a good request.
func text(body string) answer { return answer{http.StatusOK, "text/plain; charset=utf-8", body} }

// htmlPage is the answer of the metadata service to a bad one.
func htmlPage(status int) answer {
	title := strconv.Itoa(status) + " - " + http.StatusText(status)
	if status == http.StatusBadRequest {
		title = "400 - Missing or Invalid Parameters"
	}
	return answer{status, "text/html", `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
         "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>` + title + `</title>
 </head>
 <body>
  <h1>` + title + `</h1>
 </body>
</html>
`}
}

// serve answers one request by make, unless a fault is in the way, and logs
// it. page makes the answer to a fault that has a bare error status.
func serve(w http.ResponseWriter, r *http.Request, op string, now time.Time, faults *Faults, log *Log,
	page func(status int) answer, make func(Fault) answer) {
	done := log.add(Request{Time: now, Op: op, Method: r.Method, Path: r.URL.Path, Token: r.Header.Get(TokenHeader) != "", Header: r.Header.Clone()})
	f := faults.next(op)
	if f.Latency > 0 && !pause(r, f.Latency) {
		return
	}
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-f.gone:
		}
		panic(http.ErrAbortHandler)
	}
	if f.Reset {
		reset(w)
		return
	}
	a := answer{f.Status, "text/html", f.Body}
	switch {
	case f.Status == 0 && f.Body == "":
		a = make(f.Fault)
	case f.Status == 0:
		a.status = http.StatusOK
	case f.Status >= 400 && f.Body == "":
		a = page(f.Status)
	}
	done(a.status)
	a.write(w, now, f.Fault)
}

// write sends the answer. With Short the length it declares is never reached.
func (a answer) write(w http.ResponseWriter, now time.Time, f Fault) {
	h := w.Header()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", a.ctype)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	for k, v := range f.Header {
		h.Set(k, v)
	}
	body := a.body
	if f.Short {
		body = body[:len(body)/2]
	}
	w.WriteHeader(a.status)
	_, err := w.Write([]byte(body))
	if f.Short && err == nil {
		err = http.NewResponseController(w).Flush()
	}
	if f.Short || err != nil {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection
	}
}

// pause waits and reports whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// reset ends the connection with a RST where it is one of TCP.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
