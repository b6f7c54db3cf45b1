package oss

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// An upload is a multipart upload that is neither completed nor aborted. Its
// parts are guarded by the bucket's lock; the rest does not change.
type upload struct {
	id      string
	key     string
	object  *object // what it will be, without content
	forbid  bool    // x-oss-forbid-overwrite when it began
	started int64
	parts   map[int]*part
}

// A part does not change. To send its number again puts another in its place.
type part struct {
	number   int
	size     int64
	etag     string
	crc      uint64
	modified int64
	segs     []segment
}

// uploadRecord and partRecord are how the store has them.
type uploadRecord struct {
	Key     string
	Object  *object
	Forbid  bool
	Started int64
}

type partRecord struct {
	Size     int64
	ETag     string
	CRC      string
	Modified int64
	Blobs    []uint64
	Offsets  []int64 `json:",omitempty"`
}

func uploadKey(bucket, id string) string { return "u" + bucket + "\x00" + id }

func partKey(bucket, id string, number int) string {
	return "p" + bucket + "\x00" + id + "\x00" + strconv.Itoa(number)
}

// stored returns the record of the part.
func (p *part) stored() any {
	r := partRecord{p.size, p.etag, strconv.FormatUint(p.crc, 16), p.modified, nil, offsets(p.segs)}
	for _, s := range p.segs {
		r.Blobs = append(r.Blobs, s.id)
	}
	return r
}

// decodePart reads a part from its record, whose key is the bucket, the id and
// the number.
func decodePart(key string, v []byte, known blobTable) (p *part, id string, err error) {
	var r partRecord
	if err := json.Unmarshal(v, &r); err != nil {
		return nil, "", err
	}
	_, rest, _ := strings.Cut(key, "\x00")
	id, digits, _ := strings.Cut(rest, "\x00")
	number, err := strconv.Atoi(digits)
	if err != nil {
		return nil, "", err
	}
	crc, err := strconv.ParseUint(r.CRC, 16, 64)
	if err != nil {
		return nil, "", err
	}
	sizes := []int64{r.Size}[:len(r.Blobs)]
	return &part{number, r.Size, r.ETag, crc, r.Modified, known.segments(r.Blobs, sizes, r.Offsets)}, id, nil
}

func (s *Server) initiateMultipartUpload(x *exchange, b *bucket) error {
	if err := checkCallback(x); err != nil {
		return err
	}
	o, err := newObject(x, b)
	if err != nil {
		return err
	}
	if err := checkOverwrite(x, b); err != nil {
		return err
	}
	o.kind = multipart
	u := &upload{
		id: strings.ToUpper(hex.EncodeToString(randomBytes(16))), key: x.key, object: o,
		forbid: x.forbidden(), started: x.now.UnixNano(), parts: make(map[int]*part),
	}
	if err := b.begin(u); err != nil {
		return err
	}
	x.setEncryption(o)
	encoded := x.query.get("encoding-type") == "url"
	var d document
	d.start()
	d.open("InitiateMultipartUploadResult")
	if encoded {
		d.text("EncodingType", "url")
	}
	d.text("Bucket", b.name)
	d.name("Key", x.key, encoded)
	d.text("UploadId", u.id)
	d.close("InitiateMultipartUploadResult")
	x.document(&d)
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

func (b *bucket) begin(u *upload) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return noSuchBucket(b.name)
	}
	b.uploads[u.id] = u
	b.store.set(uploadKey(b.name, u.id), uploadRecord{u.key, u.object, u.forbid, u.started})
	return nil
}

// upload returns the upload of an id, if it is one of the key.
func (b *bucket) upload(id, key, ec string) (*upload, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	u := b.uploads[id]
	if u == nil || u.key != key {
		return nil, noSuchUpload(id, ec)
	}
	return u, nil
}

// end removes an upload under the lock and returns its parts, in no order.
func (b *bucket) end(u *upload) []*part {
	delete(b.uploads, u.id)
	b.store.remove(uploadKey(b.name, u.id))
	parts := make([]*part, 0, len(u.parts))
	for n, p := range u.parts {
		b.store.remove(partKey(b.name, u.id, n))
		parts = append(parts, p)
	}
	return parts
}

func (s *Server) abortMultipartUpload(x *exchange, b *bucket) error {
	id := x.query.get("uploadId")
	b.mu.Lock()
	u := b.uploads[id]
	if u == nil || u.key != x.key {
		b.mu.Unlock()
		return noSuchUpload(id, "0042-00000002")
	}
	parts := b.end(u)
	b.mu.Unlock()
	for _, p := range parts {
		b.blobs.release(p.segs)
	}
	x.done(http.StatusNoContent)
	return nil
}
