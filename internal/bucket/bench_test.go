package bucket

import (
	"bytes"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/authority"
)

// sink answers any PUT as OSS would, and keeps nothing.
func sink(crc uint64) http.HandlerFunc {
	value := strconv.FormatUint(crc, 10)
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("x-oss-request-id", "R")
		w.Header().Set("x-oss-hash-crc64ecma", value)
		w.Header().Set("ETag", `"E"`)
	}
}

// BenchmarkPut compares a put with a plain one, which neither signs nor checks.
// The allocations are those of client and server together.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 8 << 20} {
		data := make([]byte, size)
		web := httptest.NewServer(sink(crc64.Checksum(data, crc64.MakeTable(crc64.ECMA))))
		b.Run(fmt.Sprintf("plain/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			client := web.Client()
			for b.Loop() {
				req, err := http.NewRequest(http.MethodPut, web.URL+"/bucket/key", bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
		b.Run(fmt.Sprintf("bucket/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			bk, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: newRole(authority.New(authority.Options{}))})
			if err != nil {
				b.Fatal(err)
			}
			h := upload.Header{ContentType: "text/plain", Metadata: map[string]string{"osssync-mtime": "1700000000000000000", "osssync-mode": "0644"}}
			for b.Loop() {
				if _, err := bk.Put(b.Context(), "d/key", data, h); err != nil {
					b.Fatal(err)
				}
			}
		})
		web.Close()
	}
}

// BenchmarkSession is what a new credential costs, once.
func BenchmarkSession(b *testing.B) {
	r := newRole(authority.New(authority.Options{}))
	bk, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Credentials: r})
	if err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	b.ReportAllocs()
	for b.Loop() {
		mu.Lock()
		snap := *r.snap
		mu.Unlock()
		if _, err := bk.sessionOf(&snap); err != nil {
			b.Fatal(err)
		}
	}
}
