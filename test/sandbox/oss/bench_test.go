package oss_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bare is the least that a server of puts can do: HTTP and the CRC-64.
func bare(w http.ResponseWriter, r *http.Request) {
	crc := crc64.New(crc64.MakeTable(crc64.ECMA))
	io.Copy(crc, r.Body)
	w.Header().Set("X-Oss-Hash-Crc64ecma", strconv.FormatUint(crc.Sum64(), 10))
}

// putter puts objects over one connection, with no more work than it takes, so
// that what is measured is the server.
type putter struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
	body []byte
}

func newPutter(t testing.TB, addr string, size int) *putter {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &putter{conn, bufio.NewReader(conn), nil, random(size)}
}

func (p *putter) put(key string) error {
	date := time.Now().UTC().Format(http.TimeFormat)
	mac := hmac.New(sha1.New, []byte(secret))
	fmt.Fprintf(mac, "PUT\n\napplication/octet-stream\n%s\nx-oss-meta-mtime:1767355200\n/%s/%s", date, name, key)
	p.buf = fmt.Appendf(p.buf[:0], "PUT /%s/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nContent-Length: %d\r\n"+
		"Content-Type: application/octet-stream\r\nX-Oss-Meta-Mtime: 1767355200\r\nDate: %s\r\nAuthorization: OSS %s:%s\r\n\r\n",
		name, url.QueryEscape(key), len(p.body), date, keyID, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	p.buf = append(p.buf, p.body...)
	if _, err := p.conn.Write(p.buf); err != nil {
		return err
	}
	res, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return err
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if res.StatusCode != 200 {
		return fmt.Errorf("put %s: %s", key, res.Status)
	}
	return nil
}

// puts returns how many puts a second a server takes from some clients. No two
// rounds put the same keys, for to replace an object may be cheaper than to add
// one.
func puts(b *testing.B, addr string, size, n, round int) float64 {
	const clients = 8
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		p := newPutter(b, addr, size)
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := p.put(fmt.Sprintf("dir-%d/%03d/file-%08d.log", round, i%1000, i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkPut measures puts of new objects, and beside them a handler that
// only computes the CRC-64 of what it is sent, in short turns. The metric
// "ratio" is what is left of the bare handler's speed, the median of the turns;
// "ns/op" means nothing here.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := start(b)
			srv := httptest.NewServer(http.HandlerFunc(bare))
			defer srv.Close()
			full, least := strings.TrimPrefix(s.url, "http://"), srv.Listener.Addr().String()
			var ours, theirs, ratios []float64
			for round := 0; b.Loop(); round++ {
				n := 20_000_000 / (size + 6000)
				theirs = append(theirs, puts(b, least, size, n, round))
				ours = append(ours, puts(b, full, size, n, round))
				ratios = append(ratios, ours[round]/theirs[round])
			}
			b.ReportMetric(median(ours), "puts/s")
			b.ReportMetric(median(theirs), "bare-puts/s")
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
