package bucket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// attached is a bucket whose credentials come from a real provider and a
// metadata service.
func attached(t *testing.T) (*Bucket, *oss.Server, *ecs.Server, *creds.Provider) {
	t.Helper()
	var (
		meta *ecs.Server
		p    *creds.Provider
	)
	b, s, _ := open(t, func(o *Options) {
		meta = ecs.New(ecs.Options{Authority: o.Credentials.(*role).authority, Role: "app"})
		web := httptest.NewServer(meta)
		t.Cleanup(web.Close)
		p = creds.New(creds.Options{Endpoint: web.URL})
		o.Credentials = p
	})
	return b, s, meta, p
}

// Ten thousand puts (fewer under the race detector) by 64 workers, while the credential changes every
// millisecond: the service, which derives each signature anew from the key id
// and compares the token with it, must find nothing to object to.
func TestRotationAtTheWire(t *testing.T) {
	const puts, workers = rotationPuts, 64
	b, s, r := open(t, func(o *Options) { o.MaxConns = workers })
	stop := make(chan struct{})
	var rotating, working sync.WaitGroup
	rotating.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				r.mu.Lock()
				r.take()
				r.mu.Unlock()
			}
		}
	})
	var next, failed atomic.Int64
	body := []byte("0123456789")
	for range workers {
		working.Go(func() {
			for i := next.Add(1); i <= puts; i = next.Add(1) {
				if _, err := b.Put(t.Context(), fmt.Sprint(i%100), body, upload.Header{}); err != nil && failed.Add(1) < 5 {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	close(stop)
	rotating.Wait()
	if failed.Load() != 0 || r.refreshes != 0 || b.Requests() != puts {
		t.Errorf("%d puts failed, %d refreshes, %d requests; want %d requests and nothing else", failed.Load(), r.refreshes, b.Requests(), puts)
	}
	seen := map[int]bool{}
	for _, e := range s.Requests().Entries() {
		seen[e.Generation] = true
		if e.Status != http.StatusOK {
			t.Fatalf("%+v", e)
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d generations at the wire: the rotation did not happen", len(seen))
	}
}

// A part that is on its way keeps the credential that it was sent with, and
// the next one has the new credential; both are good.
func TestRotationDuringUpload(t *testing.T) {
	a, s := stock(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("partNumber") == "1" {
			close(arrived)
			<-release
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	r := newRole(a)
	b, err := New(Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ctx := t.Context()
	id, err := b.Create(ctx, "large", upload.Header{})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 200<<10)
	var parts [2]upload.Part
	var first error
	var wg sync.WaitGroup
	wg.Go(func() { parts[0], first = b.Part(ctx, "large", id, 1, data) })
	<-arrived
	r.mu.Lock()
	r.take()
	r.mu.Unlock()
	parts[1], err = b.Part(ctx, "large", id, 2, data)
	close(release)
	wg.Wait()
	if first != nil || err != nil {
		t.Fatalf("part 1: %v, part 2: %v", first, err)
	}
	if _, err := b.Complete(ctx, "large", id, parts[:]); err != nil {
		t.Fatal(err)
	}
	// The log is in the order of the answers: part 2 came first.
	var generations []int
	for _, e := range s.Requests().Select(oss.UploadPart) {
		generations = append(generations, e.Generation)
	}
	if fmt.Sprint(generations) != "[2 1]" || r.refreshes != 0 {
		t.Errorf("generations %v, %d refreshes", generations, r.refreshes)
	}
}

// Two hundred requests whose token is refused at the same time ask the metadata
// service once, and all succeed.
func TestRefusedTogether(t *testing.T) {
	b, s, meta, p := attached(t)
	if _, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{}); err != nil {
		t.Fatal(err)
	}
	old, err := p.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	before := meta.Requests().Count(ecs.OpCredentials)
	meta.Rotate()
	meta.Options().Authority.Expire(old.AccessKeyID)
	var wg sync.WaitGroup
	body := make([]byte, 64<<10)
	for i := range 200 {
		wg.Go(func() {
			if _, err := b.Put(t.Context(), fmt.Sprint(i), body, upload.Header{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := meta.Requests().Count(ecs.OpCredentials) - before; n != 1 {
		t.Errorf("%d credentials were asked for, want 1", n)
	}
	refused := 0
	for _, e := range s.Requests().Entries() {
		if e.Code == "SecurityTokenExpired" {
			refused++
		}
	}
	if refused < 2 {
		t.Errorf("%d requests were refused: nothing was tried", refused)
	}
}

// A clock that is hours behind the service's costs one request once, and no
// credential: neither is one asked for, nor is the one at hand given up.
func TestSkewKeepsCredential(t *testing.T) {
	b, s, meta, p := attached(t)
	s.Faults().Add(oss.Fault{Skew: 3 * time.Hour})
	if _, err := b.Put(t.Context(), "k", []byte("123456789"), upload.Header{}); err != nil {
		t.Fatal(err)
	}
	snap, err := p.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	if n := b.Requests(); n != 2 {
		t.Errorf("%d requests for the first put, want one refused and one dated anew", n)
	}
	if off := p.Offset(); (off - 3*time.Hour).Abs() > time.Minute {
		t.Errorf("offset %v, want 3h", off)
	}
	asked := meta.Requests().Count()
	for range 3 {
		if _, err := b.Put(t.Context(), "k", []byte("123456789"), upload.Header{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Requests(); n != 5 {
		t.Errorf("%d requests for four puts, want 5", n)
	}
	if after, err := p.Credentials(); err != nil || after != snap || meta.Requests().Count() != asked {
		t.Errorf("the credential was given up: %v, %d more metadata requests", err, meta.Requests().Count()-asked)
	}
}
