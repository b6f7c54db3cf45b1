package box

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// onInstance is the address of the real metadata service, the only one besides
// loopback that a box listens on: in a network namespace of its own, clients
// that know no other address can be tried.
const onInstance = "100.100.100.200"

// An endpoint is one of the box's servers: an address that is kept while
// nothing listens there.
type endpoint struct {
	handler http.Handler

	mu      sync.Mutex
	addr    string // host and port; the port is never 0 once it listened
	server  *http.Server
	serving sync.WaitGroup
	open    gate
}

// A gate lets requests through while it is open.
type gate struct {
	mu   sync.RWMutex // held for reading by each request
	open bool
}

// set opens or shuts the gate. It returns when all that passed it are done.
func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
}

// listen starts an endpoint.
func listen(addr string, h http.Handler) (*endpoint, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := CheckAddr(addr); err != nil {
		return nil, err
	}
	e := &endpoint{handler: h, addr: addr}
	return e, e.up()
}

// CheckAddr returns an error for an address that others could reach. Whoever
// gets at a box can make it write files, so it listens on loopback, and on
// 100.100.100.200, which is routed nowhere.
func CheckAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	ip := net.ParseIP(host)
	if host != "localhost" && host != onInstance && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen %s: not a loopback address, nor %s", addr, onInstance)
	}
	return nil
}

// url returns the address as the configuration of a client wants it.
func (e *endpoint) url() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return "http://" + e.addr
}

// up listens, unless it does already.
func (e *endpoint) up() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", e.addr)
	if err != nil {
		return err
	}
	e.addr = l.Addr().String()
	e.open.set(true)
	srv := &http.Server{
		Handler: http.HandlerFunc(e.serve),
		// What clients do to connections is theirs to report.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	e.server = srv
	e.serving.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the listener broke: nothing in this process can be believed
		}
	})
	return nil
}

// serve answers a request that came before the endpoint went down.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	e.open.mu.RLock()
	defer e.open.mu.RUnlock()
	if !e.open.open {
		panic(http.ErrAbortHandler)
	}
	e.handler.ServeHTTP(w, r)
}

// down ends the listener and all connections, as a crash would. No request is
// being answered when it returns.
func (e *endpoint) down() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil
	}
	err := e.server.Close()
	e.serving.Wait()
	e.open.set(false)
	e.server = nil
	return err
}
