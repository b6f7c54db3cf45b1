package service

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A manager is systemd's end of the socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string

	marked bool // a mark is on its way
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("SKIPPED: no datagram sockets of the file system here: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn, path: path}
}

// next returns the next message by key, waiting for it.
func (m *manager) next() map[string]string {
	m.t.Helper()
	buf := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	msg := map[string]string{}
	for line := range strings.SplitSeq(string(buf[:n]), "\n") {
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			m.t.Errorf("line %q", line)
		}
		msg[k] = v
	}
	return msg
}

// mark sends a message of its own, unless one is on its way, and returns the
// next: another one was sent before it.
func (m *manager) mark(n *Notifier) map[string]string {
	m.t.Helper()
	if !m.marked {
		if err := n.send("MARK=1"); err != nil {
			m.t.Fatal(err)
		}
	}
	return m.next()
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// run runs n until the test ends or the returned function is called.
func run(t *testing.T, n *Notifier, h Health) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx, h) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func TestLife(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	var ready atomic.Bool
	var asked atomic.Int64
	h := Health{
		Ready:  func(context.Context) bool { asked.Add(1); return ready.Load() },
		Status: func(context.Context) string { return "two\nlines" },
		Pulse:  func(context.Context) error { return nil },
		Grace:  func() time.Duration { return 35 * time.Second },
	}
	n := NewNotifier(env("NOTIFY_SOCKET", m.path))
	stop := run(t, n, h)
	for asked.Load() < 3 { // it is not ready, and says nothing
		time.Sleep(time.Millisecond)
	}
	if msg := m.mark(n); msg["MARK"] != "1" {
		t.Errorf("message %v before it was ready", msg)
	}
	ready.Store(true)
	if msg := m.next(); msg["READY"] != "1" || msg["STATUS"] != "two lines" {
		t.Errorf("message %v", msg)
	}
	stop()
	if msg := m.next(); msg["STOPPING"] != "1" || msg["EXTEND_TIMEOUT_USEC"] != "35000000" {
		t.Errorf("last message %v", msg)
	}
}

// TestWatchdog has a service that lives, is stuck, and lives again.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	var stuck atomic.Bool
	var missed atomic.Int64
	h := Health{
		Ready:  func(context.Context) bool { return true },
		Status: func(context.Context) string { return "" },
		Pulse: func(ctx context.Context) error {
			if !stuck.Load() {
				return nil
			}
			<-ctx.Done()
			missed.Add(1)
			return ctx.Err()
		},
		Grace: func() time.Duration { return 0 },
	}
	n := NewNotifier(env("NOTIFY_SOCKET", m.path, "WATCHDOG_USEC", "100000"))
	run(t, n, h)
	if msg := m.next(); msg["READY"] != "1" {
		t.Fatalf("first message %v", msg)
	}
	for range 3 {
		if msg := m.next(); msg["WATCHDOG"] != "1" {
			t.Fatalf("message %v", msg)
		}
	}
	stuck.Store(true)
	for missed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	// What was sent before it got stuck may still wait; then there is nothing.
	for m.mark(n)["MARK"] != "1" {
		m.marked = true
	}
	m.marked = false
	for was := missed.Load(); missed.Load() < was+3; {
		time.Sleep(time.Millisecond)
	}
	if msg := m.mark(n); msg["MARK"] != "1" {
		t.Errorf("a stuck service sent %v", msg)
	}
	stuck.Store(false)
	if msg := m.next(); msg["WATCHDOG"] != "1" {
		t.Errorf("message %v", msg)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	n := NewNotifier(env("NOTIFY_SOCKET", m.path))
	fault := errors.New("a mistake")
	before := monotonic()
	if err := n.Reload(func() error { return fault }); !errors.Is(err, fault) {
		t.Errorf("error %v", err)
	}
	begun := m.next()
	us, err := strconv.ParseInt(begun["MONOTONIC_USEC"], 10, 64)
	if begun["RELOADING"] != "1" || err != nil || us < before.Microseconds() || us > monotonic().Microseconds() {
		t.Errorf("first message %v, %v", begun, err)
	}
	if msg := m.next(); msg["READY"] != "1" { // also after a failure: it runs on as it was
		t.Errorf("second message %v", msg)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	n := NewNotifier(env("WATCHDOG_USEC", "100"))
	n.Run(t.Context(), Health{}) // returns at once and asks nothing
	if err := n.Reload(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestWatchdogOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  func(string) string
		want time.Duration
	}{
		{"none", env(), 0},
		{"for all", env("WATCHDOG_USEC", "3000000"), 3 * time.Second},
		{"of another process", env("WATCHDOG_USEC", "3000000", "WATCHDOG_PID", "1"), 0},
		{"no number", env("WATCHDOG_USEC", "soon"), 0},
		{"negative", env("WATCHDOG_USEC", "-1"), 0},
	} {
		if got := watchdogOf(tt.env); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
