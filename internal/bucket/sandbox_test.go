package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A role is the credentials of a test: those of an authority.
type role struct {
	authority *authority.Authority

	mu        sync.Mutex
	snap      *creds.Snapshot
	refreshes int
	offset    time.Duration
	dates     int
}

func newRole(a *authority.Authority) *role {
	r := &role{authority: a}
	r.take()
	return r
}

func (r *role) take() {
	g := r.authority.Issue("role")
	var generation uint64
	if r.snap != nil {
		generation = r.snap.Generation
	}
	r.snap = &creds.Snapshot{
		AccessKeyID: g.AccessKeyID, AccessKeySecret: creds.NewSecret(g.AccessKeySecret),
		SecurityToken: creds.NewSecret(g.SecurityToken), Expires: g.Expires, Generation: generation + 1,
	}
}

func (r *role) Get(context.Context) (*creds.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap, nil
}

func (r *role) Refresh(_ context.Context, generation uint64) (*creds.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refreshes++; r.snap.Generation == generation {
		r.take()
	}
	return r.snap, nil
}

func (r *role) ObserveDate(time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dates++
}

func (r *role) Offset() time.Duration { return r.offset }

// stock returns an OSS with one bucket, and who issues credentials for it.
func stock(t *testing.T) (*authority.Authority, *oss.Server) {
	t.Helper()
	a := authority.New(authority.Options{})
	s, err := oss.New(t.TempDir(), oss.Options{Authority: a})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return a, s
}

// open starts an OSS with one bucket.
func open(t *testing.T, opt func(*Options)) (*Bucket, *oss.Server, *role) {
	t.Helper()
	a, s := stock(t)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	r := newRole(a)
	o := Options{Name: "bucket", Region: "cn-hangzhou", Endpoint: web.URL, Credentials: r}
	if opt != nil {
		opt(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, s, r
}

func TestObjects(t *testing.T) {
	b, _, r := open(t, nil)
	ctx := t.Context()
	key := "a b/+%?/\u00e9\u4e2d.txt"
	h := upload.Header{
		ContentType: "text/plain; charset=utf-8", CacheControl: "no-cache", StorageClass: "IA", Encryption: "AES256",
		ACL: "private", Metadata: map[string]string{"osssync-mode": "0644"}, Tags: map[string]string{"a b": "c+d"},
	}
	put, err := b.Put(ctx, key, []byte("123456789"), h)
	if err != nil {
		t.Fatal(err)
	}
	if put.CRC64 != 0x995dc9bbdf1939fa || put.Size != 9 || put.ETag != "25F9E794323B453885F5181F1B624D0B" || put.RequestID == "" {
		t.Errorf("Put = %+v", put)
	}
	head, err := b.Head(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if head.CRC64 != put.CRC64 || head.Size != 9 || head.ETag != put.ETag || head.Modified.IsZero() {
		t.Errorf("Head = %+v", head)
	}
	if diff := cmp.Diff(h.Metadata, head.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if _, err := b.Put(ctx, "empty", nil, upload.Header{}); err != nil {
		t.Errorf("Put of nothing: %v", err)
	}
	copied, err := b.Copy(ctx, key, "copy", put.ETag, upload.Header{ContentType: "text/html"})
	if err != nil || copied.ETag != put.ETag {
		t.Fatalf("Copy = %+v, %v", copied, err)
	}
	if _, err := b.Copy(ctx, key, "copy", "00", upload.Header{}); !errors.Is(err, upload.Conflict) {
		t.Errorf("Copy of another ETag: %v, want Conflict", err)
	}
	body, got, err := b.Get(ctx, "copy")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if string(data) != "123456789" || err != nil || got.CRC64 != put.CRC64 {
		t.Errorf("Get = %q, %+v, %v", data, got, err)
	}
	body.Close()
	if err := b.Delete(ctx, []string{key, "copy", "not there", "a\x01<&>\n"}); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := b.Head(ctx, key); !errors.Is(err, upload.Missing) {
		t.Errorf("Head of a deleted object: %v, want Missing", err)
	}
	if _, _, err := b.Get(ctx, key); !errors.Is(err, upload.Missing) {
		t.Errorf("Get of a deleted object: %v, want Missing", err)
	}
	if r.dates == 0 {
		t.Error("no Date was observed")
	}
	if got := b.Requests(); got != 9 {
		t.Errorf("%d requests, want 9", got)
	}
}

func TestMultipart(t *testing.T) {
	b, _, _ := open(t, nil)
	ctx := t.Context()
	id, err := b.Create(ctx, "large", upload.Header{ContentType: "x/y"})
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 20<<10) // 320 KiB
	var parts []upload.Part
	for n, from := 1, 0; from < len(data); n++ {
		to := min(from+128<<10, len(data))
		p, err := b.Part(ctx, "large", id, n, data[from:to])
		if err != nil {
			t.Fatal(err)
		}
		parts, from = append(parts, p), to
	}
	listed, err := b.Parts(ctx, "large", id)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range listed {
		if p.CRC64 == 0 {
			listed[i].CRC64 = parts[i].CRC64
		}
	}
	if diff := cmp.Diff(parts, listed); diff != "" {
		t.Errorf("Parts (-sent +listed):\n%s", diff)
	}
	done, err := b.Complete(ctx, "large", id, parts)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := b.Put(ctx, "plain", data, upload.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if done.CRC64 != plain.CRC64 || done.ETag == "" {
		t.Errorf("Complete = %+v, the same bytes by Put = %+v", done, plain)
	}
	if _, err := b.Complete(ctx, "large", id, parts); !errors.Is(err, upload.Missing) {
		t.Errorf("second Complete: %v, want Missing", err)
	}
	if err := b.Abort(ctx, "large", id); err != nil {
		t.Errorf("Abort of a completed upload: %v", err)
	}

	id, err = b.Create(ctx, "joined", upload.Header{})
	if err != nil {
		t.Fatal(err)
	}
	var joined []upload.Part
	for n, size := 1, int64(160<<10); n <= 2; n++ {
		p, err := b.CopyPart(ctx, "joined", id, n, "large", int64(n-1)*size, size, done.ETag)
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, p)
	}
	whole, err := b.Complete(ctx, "joined", id, joined)
	if err != nil || whole.CRC64 != plain.CRC64 {
		t.Errorf("object of copied parts = %+v, %v", whole, err)
	}
}

func TestList(t *testing.T) {
	b, _, _ := open(t, nil)
	ctx := t.Context()
	var want []string
	for i := range 25 {
		for _, key := range []string{fmt.Sprintf("d%02d/x", i), fmt.Sprintf("d%02d+ y", i)} {
			if _, err := b.Put(ctx, key, []byte(key), upload.Header{}); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, fmt.Sprintf("d%02d+ y", i), fmt.Sprintf("d%02d/", i))
	}
	collect := func(opt ListOptions) (names []string) {
		for item, err := range b.List(ctx, opt) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, item.name())
		}
		return names
	}
	if diff := cmp.Diff(want, collect(ListOptions{Delimiter: "/"})); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:7], collect(ListOptions{Delimiter: "/", Limit: 7})); diff != "" {
		t.Errorf("list of 7 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"d03/x"}, collect(ListOptions{Prefix: "d03", StartAfter: "d03+ y"})); diff != "" {
		t.Errorf("list after a key (-want +got):\n%s", diff)
	}
	for info, err := range b.Buckets(ctx) {
		if err != nil || info.Name != "bucket" {
			t.Errorf("Buckets: %+v, %v", info, err)
		}
	}
}
