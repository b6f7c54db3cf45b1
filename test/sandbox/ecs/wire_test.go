package ecs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/ecs"
)

// TestWireFaults sees what a real client meets when a connection breaks.
func TestWireFaults(t *testing.T) {
	s := newServer(0, ecs.Optional)
	srv := httptest.NewServer(s)
	defer srv.Close()
	client := srv.Client()
	client.Timeout = 10 * time.Second

	s.Faults().Add(ecs.Fault{Reset: true, Count: 1})
	if resp, err := client.Get(srv.URL + rolePath); err == nil {
		resp.Body.Close()
		t.Error("reset: an answer came")
	} else if os.IsTimeout(err) {
		t.Errorf("reset: %v", err)
	}

	s.Faults().Add(ecs.Fault{Short: true, Count: 1})
	resp, err := client.Get(srv.URL + rolePath + "writer")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil || len(body) == 0 {
		t.Errorf("short: %d bytes, %v, want some and an error", len(body), err)
	}

	resp, err = client.Get(srv.URL + rolePath)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "writer" || resp.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d %q", resp.StatusCode, body)
	}
}
