package oss

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// load reads the records and removes the files that none tells of.
func (s *Server) load() error {
	known := make(blobTable)
	err := s.store.load(func(k string, v []byte) error {
		if k == "" {
			return nil
		}
		kind, rest := k[0], k[1:]
		name, _, _ := strings.Cut(rest, "\x00")
		if kind == 'b' {
			b, err := loadBucket(name, v, s.store, s.blobs)
			s.buckets[name] = b
			return err
		}
		b := s.buckets[name] // "b" sorts before the others
		if b == nil {
			return nil
		}
		switch kind {
		case 'o':
			return b.loadObject(rest, v, known)
		case 'p':
			return b.loadPart(rest, v, known)
		case 'u':
			return b.loadUpload(rest, v, known)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range s.buckets {
		b.settle()
	}
	s.blobs.lastID.Store(known.highest())
	return s.blobs.sweep(known)
}

func (b *bucket) loadObject(rest string, v []byte, known blobTable) error {
	o, err := decodeObject(v, known)
	if err != nil {
		return err
	}
	_, key, _ := splitObjectRecord(rest)
	if b.objects[key] == nil {
		b.keys.add(key)
	}
	b.objects[key] = append(b.objects[key], o)
	return nil
}

func (b *bucket) loadUpload(rest string, v []byte, known blobTable) error {
	var r struct {
		Key     string
		Object  json.RawMessage
		Forbid  bool
		Started int64
	}
	if err := json.Unmarshal(v, &r); err != nil {
		return err
	}
	o, err := decodeObject(r.Object, known)
	if err != nil {
		return err
	}
	_, id, _ := strings.Cut(rest, "\x00")
	u := b.loading(id)
	u.key, u.object, u.forbid, u.started = r.Key, o, r.Forbid, r.Started
	return nil
}

func (b *bucket) loadPart(rest string, v []byte, known blobTable) error {
	p, id, err := decodePart(rest, v, known)
	if err != nil {
		return err
	}
	b.loading(id).parts[p.number] = p
	return nil
}

// loading returns the upload of an id, which a part may name before its own
// record has been read.
func (b *bucket) loading(id string) *upload {
	u := b.uploads[id]
	if u == nil {
		u = &upload{id: id, parts: make(map[int]*part)}
		b.uploads[id] = u
	}
	return u
}

// settle puts versions in the order of time and drops what belongs to no
// upload.
func (b *bucket) settle() {
	for _, v := range b.objects {
		slices.SortFunc(v, func(a, b *object) int {
			return cmp.Or(cmp.Compare(a.modified, b.modified), strings.Compare(a.version, b.version))
		})
	}
	for id, u := range b.uploads {
		if u.object == nil {
			delete(b.uploads, id)
		}
	}
}
