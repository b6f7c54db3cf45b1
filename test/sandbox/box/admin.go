package box

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
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

// complete returns a listed object with its CRC-64, which lists do not tell. An
// object that was replaced since it was listed is returned as it is now; of one
// that was deleted, there is false.
func (b *Box) complete(key string, listed Object) (Object, bool, error) {
	b.admin.mu.Lock()
	defer b.admin.mu.Unlock()
	var known bool
	if listed.CRC64, known = b.admin.crcs[crcKey{key, listed.ETag, listed.Size}]; known {
		return listed, true, nil
	}
	w := b.ask(http.MethodHead, key, nil)
	if w.Code == http.StatusNotFound {
		return Object{}, false, nil
	}
	size, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64)
	crc, crcErr := strconv.ParseUint(w.Header().Get("X-Oss-Hash-Crc64ecma"), 10, 64)
	if err = errors.Join(err, crcErr); w.Code != http.StatusOK || err != nil {
		return Object{}, false, fmt.Errorf("head %s: status %d, %w", key, w.Code, err)
	}
	o := Object{Size: size, CRC64: crc, ETag: strings.Trim(w.Header().Get("Etag"), `"`)}
	b.admin.crcs[crcKey{key, o.ETag, o.Size}] = crc
	return o, true, nil
}
