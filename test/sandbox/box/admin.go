package box

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"

	"github.com/osssync/osssync/test/sandbox/oss"
)

// An admin asks the OSS server in the box's own name, past the network.
type admin struct {
	id, secret string

	mu   sync.Mutex
	crcs map[crcKey]uint64
}

// crcKey is what a CRC-64 is remembered by: where the ETag and the size are
// the same, so is the content.
type crcKey struct {
	key, etag string
	size      int64
}

func newAdmin() *admin {
	return &admin{id: "box", secret: rand.Text(), crcs: make(map[crcKey]uint64)}
}

// ask sends a request for a key, or with "" for the bucket, whose parameters
// need not be signed.
func (b *Box) ask(method, key string, q url.Values) *httptest.ResponseRecorder {
	r := &http.Request{
		Method: method,
		Host:   "127.0.0.1",
		URL:    &url.URL{Path: "/" + b.Bucket + "/" + key, RawPath: "/" + b.Bucket + "/" + url.PathEscape(key), RawQuery: q.Encode()},
		Header: http.Header{"Date": {b.Authority.Now().UTC().Format(http.TimeFormat)}},
		Body:   http.NoBody,
	}
	r = r.WithContext(oss.Aside(context.Background()))
	r.RequestURI = r.URL.RequestURI()
	mac := hmac.New(sha1.New, []byte(b.admin.secret))
	io.WriteString(mac, method+"\n\n\n"+r.Header.Get("Date")+"\n/"+b.Bucket+"/"+key)
	r.Header.Set("Authorization", "OSS "+b.admin.id+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	b.OSS.ServeHTTP(w, r)
	return w
}

// crc64 returns the CRC-64 of an object, which lists do not tell.
func (b *Box) crc64(key string, o Object) (uint64, error) {
	b.admin.mu.Lock()
	defer b.admin.mu.Unlock()
	k := crcKey{key, o.ETag, o.Size}
	if crc, ok := b.admin.crcs[k]; ok {
		return crc, nil
	}
	w := b.ask(http.MethodHead, key, nil)
	crc, err := strconv.ParseUint(w.Header().Get("X-Oss-Hash-Crc64ecma"), 10, 64)
	if w.Code != http.StatusOK || err != nil {
		return 0, fmt.Errorf("head %s: status %d, %w", key, w.Code, err)
	}
	b.admin.crcs[k] = crc
	return crc, nil
}
