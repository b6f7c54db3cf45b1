package agent

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"testing"
	"time"
)

// testSocket returns the name of a pipe that nobody has.
func testSocket(t *testing.T) string {
	t.Helper()
	return `\\.\pipe\osssync-test-` + rand.Text()
}

// TestPipeDeadline wants reads from a pipe to end when they shall, and with the
// other side.
func TestPipeDeadline(t *testing.T) {
	name := testSocket(t)
	ln, err := listenSocket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := dialSocket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var timeout interface{ Timeout() bool }
	if _, err := server.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read after the deadline: %v", err)
	}
	if err := server.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after the client went: %d, %v", n, err)
	}
	if who := callerOf(server); !who.allowed {
		t.Errorf("who could open the pipe may not ask: %+v", who)
	}
	server.Close()
}

// TestPipeEnds closes a pipe while somebody waits for a client.
func TestPipeEnds(t *testing.T) {
	ln, err := listenSocket(t.Context(), testSocket(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		done <- err
	}()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("Accept after Close: no error")
	}
}
