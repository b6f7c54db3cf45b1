package bucket

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/internal/creds"
)

const (
	signTime = "20060102T150405Z" // of x-oss-date
	signDay  = "20060102"

	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// A stamp is the date of a request.
type stamp struct {
	second int64  // since 1970
	text   string // as the header Date has it, and the signature with it
	day    string // as the scope of a signature has it
}

// stamps remembers the stamp that was asked for last: a second holds many
// requests. Safe for concurrent use.
type stamps struct{ last atomic.Pointer[stamp] }

func (s *stamps) of(t time.Time) *stamp {
	if last := s.last.Load(); last != nil && last.second == t.Unix() {
		return last
	}
	t = t.UTC()
	now := &stamp{t.Unix(), t.Format(http.TimeFormat), t.Format(signDay)}
	s.last.Store(now)
	return now
}

// A signer signs requests with one credential (V4, by header), as the SDK does,
// which derives the day's key and sorts all headers anew for each. Safe for
// concurrent use.
type signer struct {
	snap   *creds.Snapshot
	region string

	mu  sync.Mutex
	day *dayKey
}

// A dayKey is what a credential signs with on one day.
type dayKey struct {
	day   string
	scope string    // DAY/REGION/oss/aliyun_v4_request
	lead  string    // of the header Authorization, up to the signature
	tools sync.Pool // of *signTools
}

// signTools are what one signature is made with.
type signTools struct {
	mac  hash.Hash // with the key in it
	text []byte
}

func newSigner(snap *creds.Snapshot, region string) *signer {
	return &signer{snap: snap, region: region}
}

// key returns what is signed with on a day.
func (s *signer) key(day string) *dayKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.day != nil && s.day.day == day {
		return s.day
	}
	key := []byte("aliyun_v4" + s.snap.AccessKeySecret.Reveal())
	for _, text := range []string{day, s.region, "oss", "aliyun_v4_request"} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		key = m.Sum(nil)
	}
	k := &dayKey{day: day, scope: day + "/" + s.region + "/oss/aliyun_v4_request"}
	k.lead = "OSS4-HMAC-SHA256 Credential=" + s.snap.AccessKeyID + "/" + k.scope + ",Signature="
	k.tools.New = func() any { return &signTools{mac: hmac.New(sha256.New, key)} }
	s.day = k
	return k
}

// A field is a header that is signed: its name in lower case, and its value.
type field struct{ name, value string }

// sign returns the header Authorization of a request of a date. path is
// as it is signed: /BUCKET/KEY, escaped but for slashes. Of the fields, which
// it sorts, those that OSS signs must be all that the request has.
func (s *signer) sign(method, path string, fields []field, date *stamp) string {
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	k := s.key(date.day)
	tools := k.tools.Get().(*signTools)
	text := append(tools.text[:0], method...)
	text = append(text, '\n')
	text = append(text, path...)
	text = append(text, "\n\n"...) // no query
	for _, f := range fields {
		text = append(text, f.name...)
		text = append(text, ':')
		text = append(text, strings.Trim(f.value, " ")...)
		text = append(text, '\n')
	}
	text = append(text, "\n\n"+unsignedPayload...) // no additional headers
	request := sha256.Sum256(text)

	text = append(text[:0], "OSS4-HMAC-SHA256\n"...)
	text = append(text, date.text...)
	text = append(text, '\n')
	text = append(text, k.scope...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, request[:])
	tools.mac.Reset()
	tools.mac.Write(text)
	sum := tools.mac.Sum(text[:0])
	signature := k.lead + hex.EncodeToString(sum)
	tools.text = text
	k.tools.Put(tools)
	return signature
}
