package agent

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// An Object is one that a listing of a bucket shows.
type Object struct {
	Key      string
	Size     int64  // bytes
	ETag     string // without quotes
	Modified time.Time
}

// A ListFunc yields the objects of a bucket whose keys begin with prefix, in
// byte order, and ends with the first error.
type ListFunc func(ctx context.Context, bucket, prefix string) iter.Seq2[Object, error]

// A pair is a path of a job as the index and the bucket know it; one of the
// two may be nil.
type pair struct {
	path   string
	entry  *state.Entry
	object *Object
}

// agree says whether the entry tells of this object.
func (p pair) agree() bool {
	return p.entry.Size == p.object.Size && p.object.ETag != "" && strings.EqualFold(p.entry.ETag, p.object.ETag)
}

// pairs merges what the index holds of a root with a listing of the bucket
// below the root's prefix. Both come in the byte order of the keys, so that of
// neither more is held than a page. It ends with the first error; a listing
// that is out of order is one, for much would seem to be missing.
func pairs(ctx context.Context, v *state.View, objects iter.Seq2[Object, error]) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		next, stop := iter.Pull2(objects)
		defer stop()
		s := shown{next: next, prefix: v.Key().Prefix}
		o, err := s.advance()
		for l, e := range v.Ordered(ctx) {
			if e != nil {
				err = e
			}
			for err == nil && o != nil && s.path < l.Path {
				if !yield(pair{path: s.path, object: o}, nil) {
					return
				}
				o, err = s.advance()
			}
			if err != nil {
				yield(pair{}, err)
				return
			}
			p := pair{path: l.Path, entry: &l.Entry}
			if o != nil && s.path == l.Path {
				p.object = o
				o, err = s.advance()
			}
			if !yield(p, nil) {
				return
			}
		}
		for ; err == nil && o != nil; o, err = s.advance() {
			if !yield(pair{path: s.path, object: o}, nil) {
				return
			}
		}
		if err != nil {
			yield(pair{}, err)
		}
	}
}

// A shown is a listing that is being read.
type shown struct {
	next   func() (Object, error, bool)
	prefix string
	path   string // of the last object, below the prefix
	any    bool   // there was one
}

// advance returns the next object, nil after the last.
func (s *shown) advance() (*Object, error) {
	o, err, ok := s.next()
	if !ok || err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(o.Key, s.prefix)
	if !ok || s.any && path <= s.path {
		return nil, fmt.Errorf("list %s: key %q is out of order", s.prefix, o.Key)
	}
	s.path, s.any = path, true
	return &o, nil
}
