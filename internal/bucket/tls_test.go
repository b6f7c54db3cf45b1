package bucket

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/osssync/osssync/internal/upload"
)

// What is old is refused, and what is newer than HTTP/1.1 is not taken up: one
// connection for all workers would have one window for all of them.
func TestTLS(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version uint16 // the best that the server knows
		ok      bool
	}{
		{"1.1", tls.VersionTLS11, false},
		{"1.2", tls.VersionTLS12, true},
		{"1.3", tls.VersionTLS13, true},
	} {
		var protocol string
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			protocol = r.Proto
			w.Header().Set("x-oss-request-id", "1")
			w.Header().Set("x-oss-hash-crc64ecma", "0")
			w.Header().Set("Content-Length", "0")
		}))
		server.EnableHTTP2 = true
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tt.version}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		c, _, _ := open(t, nil)
		b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: server.URL, Credentials: c.opt.Credentials})
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		b.line.base.TLSClientConfig.RootCAs = pool
		for _, request := range []func() error{
			func() error { _, err := b.Put(t.Context(), "small", nil, upload.Header{}); return err },
			func() error { _, err := b.Head(t.Context(), "k"); return err },
		} {
			protocol = ""
			err := request()
			if (err == nil) != tt.ok || tt.ok && protocol != "HTTP/1.1" || !tt.ok && !strings.Contains(err.Error(), "protocol version") {
				t.Errorf("a server of TLS %s: %v, by %q", tt.name, err, protocol)
			}
		}
		b.Close()
		server.Close()
	}
}
