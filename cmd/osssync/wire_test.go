package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/osssync/osssync/internal/config"
)

// What the metrics ask of a session does not wait while a job waits for the
// metadata service to tell the region.
func TestRequestsDuringIdentity(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(asked) })
		<-release
		w.WriteHeader(http.StatusNotFound)
	}))
	defer metadata.Close()
	c := config.Default()
	c.Credentials.MetadataEndpoint = metadata.URL
	c.Credentials.Cache = false
	s := newSession(&c, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.bucket(t.Context(), "b"); err == nil {
			t.Error("a bucket without a region")
		}
	})
	<-asked
	if !s.mu.TryLock() {
		t.Error("the session is locked while the metadata service is asked")
	} else {
		s.mu.Unlock()
	}
	close(release)
	wg.Wait()
}
