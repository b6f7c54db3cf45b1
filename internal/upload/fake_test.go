package upload

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/crc64"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/internal/state"
)

var reference = crc64.MakeTable(crc64.ECMA)

// A store is a bucket and an index in memory. Every call to either passes the
// fault hook, before it is carried out and after.
type store struct {
	mu      sync.Mutex
	objects map[string]object
	pending map[string]*pending // multipart uploads by id
	entries map[string]state.Entry
	plans   map[string]*state.Upload
	calls   map[string]int
	sums    map[string]state.Sums
	ids     int

	silent bool // a copied part's CRC-64 is not told

	fault   func(op string, done bool) error // may be nil
	corrupt func(op string) bool             // says that the bytes of a call arrive damaged; may be nil
	hold    func(op string, size int64)      // is called while a body is in use; may be nil
	stored  func(key string, data []byte)    // sees every object; may be nil
}

type object struct {
	data []byte
	h    Header
	etag string
}

type pending struct {
	key   string
	began time.Time
	h     Header
	parts map[int][]byte
}

func newStore() *store {
	return &store{
		objects: map[string]object{}, pending: map[string]*pending{}, calls: map[string]int{},
		entries: map[string]state.Entry{}, plans: map[string]*state.Upload{}, sums: map[string]state.Sums{},
	}
}

// call runs f as one call of the given name.
func (s *store) call(ctx context.Context, op string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	s.mu.Lock()
	s.calls[op]++
	s.mu.Unlock()
	if s.fault != nil {
		if err := s.fault(op, false); err != nil {
			return err
		}
	}
	s.mu.Lock()
	err := f()
	s.mu.Unlock()
	if err == nil && s.fault != nil {
		err = s.fault(op, true)
	}
	return err
}

func (s *store) count(ops ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		n += s.calls[op]
	}
	return n
}

func missing(op, key string) error {
	return &RequestError{Op: op, Key: key, Class: Missing, Status: 404, Code: "NoSuchKey"}
}

func (s *store) keep(key string, data []byte, h Header) Stored {
	s.ids++
	o := object{data, h, fmt.Sprintf("E%d", s.ids)}
	s.objects[key] = o
	if s.stored != nil {
		s.stored(key, data)
	}
	return o.describe()
}

func (o object) describe() Stored {
	return Stored{Size: int64(len(o.data)), CRC64: crc64.Checksum(o.data, reference), ETag: o.etag, RequestID: "R", Modified: time.Now(), Metadata: o.h.Metadata}
}

// receive returns a copy of a body as it arrives.
func (s *store) receive(op string, body []byte) []byte {
	if s.hold != nil {
		s.hold(op, int64(len(body)))
	}
	got := bytes.Clone(body)
	if s.corrupt != nil && s.corrupt(op) && len(got) > 0 {
		got[len(got)/2] ^= 1
	}
	return got
}

func (s *store) Put(ctx context.Context, key string, body []byte, h Header) (st Stored, err error) {
	got := s.receive("put", body)
	err = s.call(ctx, "put", func() error { st = s.keep(key, got, h); return nil })
	return st, err
}

func (s *store) Head(ctx context.Context, key string) (st Stored, err error) {
	err = s.call(ctx, "head", func() error {
		o, ok := s.objects[key]
		if !ok {
			return missing("head", key)
		}
		st = o.describe()
		return nil
	})
	return st, err
}

func (s *store) Copy(ctx context.Context, from, to, etag string, h Header) (st Stored, err error) {
	err = s.call(ctx, "copy", func() error {
		o, ok := s.objects[from]
		if !ok {
			return missing("copy", from)
		}
		if o.etag != etag {
			return &RequestError{Op: "copy", Key: from, Class: Conflict, Status: 412}
		}
		st = s.keep(to, o.data, h)
		st.CRC64 = 0
		return nil
	})
	return st, err
}

func (s *store) Delete(ctx context.Context, keys []string) error {
	return s.call(ctx, "delete", func() error {
		for _, k := range keys {
			delete(s.objects, k)
		}
		return nil
	})
}

func (s *store) Create(ctx context.Context, key string, h Header) (id string, err error) {
	err = s.call(ctx, "create", func() error {
		s.ids++
		id = fmt.Sprintf("U%d", s.ids)
		s.pending[id] = &pending{key, time.Now(), h, map[int][]byte{}}
		return nil
	})
	return id, err
}

func (s *store) Part(ctx context.Context, key, id string, n int, body []byte) (p state.Part, err error) {
	got := s.receive("part", body)
	err = s.call(ctx, "part", func() error {
		u := s.pending[id]
		if u == nil || u.key != key {
			return missing("part", key)
		}
		u.parts[n] = got
		p = partOf(n, got)
		return nil
	})
	return p, err
}

func partOf(n int, data []byte) state.Part {
	crc := crc64.Checksum(data, reference)
	return state.Part{Number: n, Size: int64(len(data)), CRC64: crc, ETag: fmt.Sprintf("P%x", crc)}
}

func (s *store) CopyPart(ctx context.Context, key, id string, n int, from string, off, size int64, etag string) (p state.Part, err error) {
	err = s.call(ctx, "copy part", func() error {
		if s.objects[from].etag != etag {
			return missing("copy part", from)
		}
		s.pending[id].parts[n] = s.objects[from].data[off : off+size]
		p = partOf(n, s.objects[from].data[off:off+size])
		if s.silent {
			p.CRC64 = 0
		}
		return nil
	})
	return p, err
}

func (s *store) Parts(ctx context.Context, key, id string) (parts []state.Part, err error) {
	err = s.call(ctx, "parts", func() error {
		u := s.pending[id]
		if u == nil {
			return missing("parts", key)
		}
		for n, data := range u.parts {
			parts = append(parts, partOf(n, data))
		}
		slices.SortFunc(parts, func(a, b state.Part) int { return cmp.Compare(a.Number, b.Number) })
		return nil
	})
	return parts, err
}

func (s *store) Complete(ctx context.Context, key, id string, parts []state.Part) (st Stored, err error) {
	err = s.call(ctx, "complete", func() error {
		u := s.pending[id]
		if u == nil {
			return missing("complete", key)
		}
		var data []byte
		for i, p := range parts {
			got, ok := u.parts[p.Number]
			if !ok || partOf(p.Number, got).ETag != p.ETag || i > 0 && parts[i-1].Number >= p.Number {
				return &RequestError{Op: "complete", Key: key, Class: Conflict, Status: 400, Code: "InvalidPart"}
			}
			data = append(data, got...)
		}
		delete(s.pending, id)
		if s.corrupt != nil && s.corrupt("complete") {
			data[0] ^= 1
		}
		st = s.keep(key, data, u.h)
		return nil
	})
	return st, err
}

func (s *store) Abort(ctx context.Context, _, id string) error {
	return s.call(ctx, "abort", func() error { delete(s.pending, id); return nil })
}

func (s *store) Pending(ctx context.Context, prefix string, most int) (list []Pending, err error) {
	err = s.call(ctx, "pending", func() error {
		for id, p := range s.pending {
			if strings.HasPrefix(p.key, prefix) {
				list = append(list, Pending{p.key, id, p.began})
			}
		}
		slices.SortFunc(list, func(a, b Pending) int { return cmp.Compare(a.Key+a.ID, b.Key+b.ID) })
		list = list[:min(len(list), most)]
		return nil
	})
	return list, err
}

func (s *store) Record(ctx context.Context, path string, e state.Entry) error {
	return s.call(ctx, "record", func() error { s.entries[path] = e; delete(s.sums, path); delete(s.plans, path); return nil })
}

func (s *store) Forget(ctx context.Context, path string) error {
	return s.call(ctx, "forget", func() error { delete(s.entries, path); delete(s.sums, path); return nil })
}

func (s *store) Uploads() Uploads { return plans{s} }

type plans struct{ *store }

func (s plans) Begin(ctx context.Context, path string, u state.Upload) error {
	return s.call(ctx, "begin", func() error { s.plans[path] = &u; return nil })
}

func (s plans) AddPart(ctx context.Context, path string, p state.Part) error {
	return s.call(ctx, "add part", func() error {
		u := s.plans[path]
		u.Parts = slices.DeleteFunc(u.Parts, func(q state.Part) bool { return q.Number == p.Number })
		u.Parts = append(u.Parts, p)
		slices.SortFunc(u.Parts, func(a, b state.Part) int { return cmp.Compare(a.Number, b.Number) })
		return nil
	})
}

func (s plans) Get(ctx context.Context, path string) (u *state.Upload, err error) {
	err = s.call(ctx, "get", func() error {
		if p := s.plans[path]; p != nil {
			c := *p
			c.Parts = slices.Clone(p.Parts)
			u = &c
		}
		return nil
	})
	return u, err
}

func (s plans) Drop(ctx context.Context, path string) error {
	return s.call(ctx, "drop", func() error { delete(s.plans, path); return nil })
}

func (s plans) All(ctx context.Context) (list []state.PathUpload, err error) {
	err = s.call(ctx, "all", func() error {
		for path, u := range s.plans {
			list = append(list, state.PathUpload{Path: path, Upload: *u})
		}
		return nil
	})
	return list, err
}

func (s plans) Keep(ctx context.Context, path string, sums state.Sums) error {
	return s.call(ctx, "keep", func() error {
		if s.sums[path] = sums; len(sums.Parts) == 0 {
			delete(s.sums, path)
		}
		return nil
	})
}

func (s plans) Kept(ctx context.Context, path string) (sums *state.Sums, err error) {
	err = s.call(ctx, "kept", func() error {
		if k, ok := s.sums[path]; ok {
			sums = &k
		}
		return nil
	})
	return sums, err
}

// A queue is a Source with a fixed list of jobs. After the last one it ends,
// or blocks if open.
type queue struct {
	mu      sync.Mutex
	jobs    []*Job
	results map[*Job]Result
	open    bool
	done    atomic.Int64
}

func newQueue(jobs ...*Job) *queue { return &queue{jobs: jobs, results: map[*Job]Result{}} }

func (q *queue) Next(ctx context.Context) (*Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		if !q.open {
			return nil, io.EOF
		}
		q.mu.Unlock()
		<-ctx.Done()
		q.mu.Lock()
		return nil, ctx.Err()
	}
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	return j, nil
}

func (q *queue) Done(j *Job, r Result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, twice := q.results[j]; twice {
		panic("job done twice")
	}
	q.results[j] = r
	q.done.Add(1)
}
