package oss

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// A bucket is the index of one bucket, all of it in memory. Its lock is never
// held over input or output.
type bucket struct {
	name  string
	store *store
	blobs *blobs

	mu      sync.RWMutex
	info    bucketInfo
	gone    bool                 // it was deleted; what is put now would be lost
	objects map[string][]*object // by key; the newest version last
	keys    keySet               // the keys of objects
	uploads map[string]*upload   // by id
}

// bucketInfo is what a bucket is, as the store has it.
type bucketInfo struct {
	Created    int64 // nanoseconds since 1970
	ACL        string
	Class      string
	Redundancy string
	Versioning string // "", "Enabled" or "Suspended"
}

func newBucket(name string, info bucketInfo, st *store, bl *blobs) *bucket {
	return &bucket{
		name: name, info: info, store: st, blobs: bl,
		objects: make(map[string][]*object),
		uploads: make(map[string]*upload),
	}
}

// The keys of the records: "b" and the name for a bucket; "o", the bucket, the
// key and the version for an object; "u", the bucket and the id for an upload;
// "p", the bucket, the id and the number for a part.
func bucketRecord(name string) string { return "b" + name }

func objectRecord(bucket, key, version string) string {
	return "o" + bucket + "\x00" + key + "\x00" + version
}

// splitObjectRecord undoes objectRecord, less the "o". A key may hold a zero
// byte; a bucket's name and a version do not.
func splitObjectRecord(k string) (bucket, key, version string) {
	bucket, rest, _ := strings.Cut(k, "\x00")
	i := strings.LastIndexByte(rest, 0)
	if i < 0 {
		return bucket, "", ""
	}
	return bucket, rest[:i], rest[i+1:]
}

func (b *bucket) getInfo() bucketInfo {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.info
}

// change changes what the bucket is.
func (b *bucket) change(f func(*bucketInfo)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.info)
	b.store.set(bucketRecord(b.name), b.info)
}

// versioned reports whether versioning was ever enabled.
func (b *bucket) versioned() bool { return b.getInfo().Versioning != "" }

// latest returns the newest version of a key, nil where there is none or the
// key was deleted.
func (b *bucket) latest(key string) *object {
	if v := b.objects[key]; len(v) > 0 && !v[len(v)-1].marker {
		return v[len(v)-1]
	}
	return nil
}

// find returns a version of a key, the newest for "". The caller must release
// its segments, if hold is set.
func (b *bucket) find(key, version string, held bool) (*object, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	o, err := b.lookup(key, version)
	if err == nil && held {
		hold(o.segs)
	}
	return o, err
}

// lookup is find under the lock.
func (b *bucket) lookup(key, version string) (*object, error) {
	versions := b.objects[key]
	if version == "" {
		if o := b.latest(key); o != nil {
			return o, nil
		}
		e := noSuchKey(key)
		if len(versions) > 0 {
			m := versions[len(versions)-1]
			e.withHeader("X-Oss-Delete-Marker", "true").withHeader("X-Oss-Version-Id", m.versionID())
		}
		return nil, e
	}
	i := indexVersion(versions, version)
	if i < 0 {
		return nil, noSuchVersion(key, version)
	}
	if versions[i].marker {
		return nil, methodNotAllowed("GET", "DeleteMarker").
			withHeader("X-Oss-Delete-Marker", "true").withHeader("X-Oss-Version-Id", version)
	}
	return versions[i], nil
}

func indexVersion(versions []*object, id string) int {
	return slices.IndexFunc(versions, func(o *object) bool { return o.versionID() == id })
}

// put makes o the newest version of key. A bucket that is not versioned, or no
// longer, has at most one version that way, the null version. With guard set,
// nothing is put unless guard, which is given the version that was the newest
// and may be nil, returns nil.
func (b *bucket) put(key string, o *object, guard func(old *object) error) error {
	b.mu.Lock()
	if b.gone {
		b.mu.Unlock()
		return noSuchBucket(b.name)
	}
	if guard != nil {
		if err := guard(b.latest(key)); err != nil {
			b.mu.Unlock()
			return err
		}
	}
	if b.info.Versioning == "Enabled" {
		o.version = newVersion(o.modified)
	}
	old := b.insert(key, o)
	b.mu.Unlock()
	if old != nil {
		b.blobs.release(old.segs)
	}
	return nil
}

// insert adds a version, which takes the place of the one of its id. It returns
// what it took the place of.
func (b *bucket) insert(key string, o *object) (old *object) {
	versions := b.objects[key]
	if len(versions) == 0 {
		b.keys.add(key)
	} else if i := indexVersion(versions, o.versionID()); i >= 0 {
		old = versions[i]
		if len(versions) == 1 {
			versions = nil
		} else {
			versions = slices.Delete(slices.Clone(versions), i, i+1)
		}
	}
	b.objects[key] = append(versions, o)
	b.store.set(objectRecord(b.name, key, o.version), o)
	return old
}

// replace puts a changed copy in the place of o, unless o itself has been
// replaced meanwhile.
func (b *bucket) replace(key string, o, changed *object) bool {
	b.mu.Lock()
	versions := b.objects[key]
	i := slices.Index(versions, o)
	if i >= 0 {
		versions = slices.Clone(versions)
		versions[i] = changed
		b.objects[key] = versions
		b.store.set(objectRecord(b.name, key, o.version), changed)
	}
	b.mu.Unlock()
	if i < 0 {
		b.blobs.release(changed.segs)
		return false
	}
	b.blobs.release(o.segs)
	return true
}

// update changes a version of a key by means of f, which is given a copy.
func (b *bucket) update(key, version string, f func(*object)) (*object, error) {
	for {
		o, err := b.find(key, version, true)
		if err != nil {
			return nil, err
		}
		c := o.clone()
		f(c)
		ok := b.replace(key, o, c)
		b.blobs.release(o.segs)
		if ok {
			return c, nil
		}
	}
}

// deletion says what became of a delete.
type deletion struct {
	version string // that is gone, or of the marker that was made; "" for none
	marker  bool   // a marker was made or removed
}

// delete deletes a version of a key, or for "" the key: by a marker where the
// bucket is versioned. There need not be such a key.
func (b *bucket) delete(key, version string, now int64) deletion {
	b.mu.Lock()
	var old *object
	var d deletion
	switch {
	case version == "" && b.info.Versioning != "":
		m := &object{marker: true, modified: now}
		if b.info.Versioning == "Enabled" {
			m.version = newVersion(now)
		}
		old = b.insert(key, m)
		d = deletion{m.versionID(), true}
	case version == "":
		old = b.drop(key, nullVersion)
	default:
		old = b.drop(key, version)
		d = deletion{version, old != nil && old.marker}
	}
	b.mu.Unlock()
	if old != nil {
		b.blobs.release(old.segs)
	}
	return d
}

// drop removes a version for good.
func (b *bucket) drop(key, version string) *object {
	versions := b.objects[key]
	i := indexVersion(versions, version)
	if i < 0 {
		return nil
	}
	old := versions[i]
	if len(versions) == 1 {
		delete(b.objects, key)
		b.keys.remove(key)
	} else {
		b.objects[key] = slices.Delete(slices.Clone(versions), i, i+1)
	}
	b.store.remove(objectRecord(b.name, key, old.version))
	return old
}

// loadBucket reads a bucket's record.
func loadBucket(name string, v []byte, st *store, bl *blobs) (*bucket, error) {
	var info bucketInfo
	if err := json.Unmarshal(v, &info); err != nil {
		return nil, err
	}
	return newBucket(name, info, st, bl), nil
}
