package oss

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Kinds of objects, as x-oss-object-type has them.
const (
	normal     = "Normal"
	multipart  = "Multipart"
	appendable = "Appendable"
	symlink    = "Symlink"
)

// nullVersion is the version id of an object that was put without versioning.
const nullVersion = "null"

// An object is one version of a key. It does not change once it is in a bucket;
// what changes it puts a changed copy in its place.
type object struct {
	version  string // "" for the null version
	marker   bool   // the key was deleted here
	kind     string
	size     int64
	etag     string // without quotes
	md5      []byte // of the content, where it is known
	crc      uint64
	modified int64 // nanoseconds since 1970
	class    string
	acl      string // "" is "default"
	sse      string // x-oss-server-side-encryption
	keyID    string // x-oss-server-side-encryption-key-id
	sealed   string // x-oss-server-side-data-encryption
	headers  []field
	tags     []tag
	target   string // of a symlink
	restored int64  // when the last restore was asked for, in nanoseconds; 0 for never
	days     int    // that a restore lasts
	segs     []segment
}

// A field is a header that is kept with an object and given back with it.
type field struct {
	Name  string // canonical
	Value string
}

// clone returns a copy that shares the content, with references of its own.
func (o *object) clone() *object {
	c := *o
	c.headers = slices.Clone(o.headers)
	c.tags = slices.Clone(o.tags)
	hold(c.segs)
	return &c
}

func (o *object) versionID() string {
	if o.version == "" {
		return nullVersion
	}
	return o.version
}

// lastModified is the time as headers have it: whole seconds.
func (o *object) lastModified() time.Time {
	return time.Unix(0, o.modified).UTC().Truncate(time.Second)
}

// record is an object as the store has it.
type record struct {
	Version  string   `json:"v,omitempty"`
	Marker   bool     `json:"x,omitempty"`
	Kind     string   `json:"k,omitempty"`
	Size     int64    `json:"n,omitempty"`
	ETag     string   `json:"e,omitempty"`
	MD5      []byte   `json:"d,omitempty"`
	CRC      string   `json:"c,omitempty"` // a number of 64 bits is none in JSON
	Modified int64    `json:"m"`
	Class    string   `json:"s,omitempty"`
	ACL      string   `json:"a,omitempty"`
	SSE      string   `json:"sse,omitempty"`
	KeyID    string   `json:"kms,omitempty"`
	Sealed   string   `json:"sde,omitempty"`
	Headers  []field  `json:"h,omitempty"`
	Tags     []tag    `json:"t,omitempty"`
	Target   string   `json:"l,omitempty"`
	Restored int64    `json:"r,omitempty"`
	Days     int      `json:"rd,omitempty"`
	Blobs    []uint64 `json:"b,omitempty"`
	Sizes    []int64  `json:"bn,omitempty"`
	Offsets  []int64  `json:"bo,omitempty"` // none where all are 0
}

// MarshalJSON implements json.Marshaler, for the object of an upload.
func (o *object) MarshalJSON() ([]byte, error) { return json.Marshal(o.stored()) }

// stored returns the record of the object.
func (o *object) stored() any {
	r := record{
		o.version, o.marker, o.kind, o.size, o.etag, o.md5, strconv.FormatUint(o.crc, 16), o.modified, o.class, o.acl,
		o.sse, o.keyID, o.sealed, o.headers, o.tags, o.target, o.restored, o.days,
		make([]uint64, len(o.segs)), make([]int64, len(o.segs)), offsets(o.segs),
	}
	for i, s := range o.segs {
		r.Blobs[i], r.Sizes[i] = s.id, s.size
	}
	return &r
}

// decodeObject reads an object from its record. It takes one reference to each blob.
func decodeObject(b []byte, known blobTable) (*object, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	crc, err := strconv.ParseUint(r.CRC, 16, 64)
	if err != nil {
		return nil, err
	}
	return &object{
		r.Version, r.Marker, r.Kind, r.Size, r.ETag, r.MD5, crc, r.Modified, r.Class, r.ACL, r.SSE, r.KeyID, r.Sealed,
		r.Headers, r.Tags, r.Target, r.Restored, r.Days, known.segments(r.Blobs, r.Sizes, r.Offsets),
	}, nil
}

// A blobTable is the blobs that records tell of.
type blobTable map[uint64]*blob

// offsets returns where segments begin in their blobs, nil where that is at the
// start of each.
func offsets(segs []segment) []int64 {
	var list []int64
	for i, s := range segs {
		if s.off != 0 && list == nil {
			list = make([]int64, len(segs))
		}
		if list != nil {
			list[i] = s.off
		}
	}
	return list
}

// segments returns segments with one more reference to each blob.
func (t blobTable) segments(ids []uint64, sizes, offsets []int64) []segment {
	if len(ids) != len(sizes) || offsets != nil && len(offsets) != len(ids) {
		return nil
	}
	segs := make([]segment, len(ids))
	for i, id := range ids {
		b := t[id]
		if b == nil {
			b = &blob{id: id}
			t[id] = b
		}
		b.refs.Add(1)
		segs[i] = segment{b, 0, sizes[i]}
		if offsets != nil {
			segs[i].off = offsets[i]
		}
	}
	return segs
}

// highest returns the highest number in use.
func (t blobTable) highest() uint64 {
	top := uint64(0)
	for id := range maps.Keys(t) {
		top = max(top, id)
	}
	return top
}
