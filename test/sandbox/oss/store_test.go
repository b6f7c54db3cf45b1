package oss_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/test/sandbox/oss"
)

// once serves dir for as long as f takes, with a bucket and the credential of s.
func (s *sandbox) once(t *testing.T, dir string, f func(*sdk.Bucket, *oss.Server)) {
	t.Helper()
	server, err := oss.New(dir, oss.Options{Authority: s.auth, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server)
	if err := server.CreateBucket(name); err != nil {
		t.Fatal(err)
	}
	f((&sandbox{url: srv.URL}).client(t), server)
	srv.Close()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRestart checks that all there is outlives the server, and that nothing
// else does.
func TestRestart(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	part, tail := random(100<<10), random(1000)
	var before http.Header
	var u sdk.InitiateMultipartUploadResult
	var list1 sdk.ListObjectsResult
	s.once(t, dir, func(b *sdk.Bucket, _ *oss.Server) {
		steps := []error{
			b.PutObject("a\x00b", bytes.NewReader(part), sdk.Meta("m", "v"), sdk.ObjectACL(sdk.ACLPublicRead), sdk.CacheControl("no-cache"),
				sdk.SetTagging(sdk.Tagging{Tags: []sdk.Tag{{Key: "k", Value: "v"}}}), sdk.ObjectStorageClass(sdk.StorageIA)),
			b.PutObject("empty", strings.NewReader("")),
			b.PutObject("gone", strings.NewReader("x")),
			b.DeleteObject("gone"),
			b.PutObject("twice", strings.NewReader("first")),
			b.PutObject("twice", strings.NewReader("second")),
			b.PutSymlink("link", "empty"),
		}
		_, err := b.AppendObject("log", strings.NewReader("one "), 0)
		steps = append(steps, err)
		_, err = b.AppendObject("log", strings.NewReader("two"), 4)
		steps = append(steps, err)
		if u, err = b.InitiateMultipartUpload("multi"); err == nil {
			_, err = b.UploadPart(u, bytes.NewReader(part), int64(len(part)), 1)
		}
		if err := errors.Join(append(steps, err)...); err != nil {
			t.Fatal(err)
		}
		before, _ = b.GetObjectDetailedMeta("a\x00b")
		list1, _ = b.ListObjects()
	})
	s.once(t, dir, func(b *sdk.Bucket, s *oss.Server) {
		after, err := b.GetObjectDetailedMeta("a\x00b")
		for _, h := range []http.Header{before, after} {
			h.Del("Date")
			h.Del("X-Oss-Request-Id")
		}
		if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("headers %v, %v; before %v", after, err, before)
		}
		list2, err := b.ListObjects()
		if err != nil || fmt.Sprint(list1) != fmt.Sprint(list2) {
			t.Errorf("list %v, %v; before %v", list2, err, list1)
		}
		for key, want := range map[string][]byte{"a\x00b": part, "empty": {}, "twice": []byte("second"), "link": {}, "log": []byte("one two")} {
			if got := get(t, b, key); !bytes.Equal(got, want) {
				t.Errorf("%q is %d bytes, want other %d", key, len(got), len(want))
			}
		}
		p, err := b.UploadPart(u, bytes.NewReader(tail), int64(len(tail)), 2)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := b.ListUploadedParts(u)
		if err != nil || len(parts.UploadedParts) != 2 {
			t.Fatalf("parts %v, %v", parts, err)
		}
		first := sdk.UploadPart{PartNumber: 1, ETag: parts.UploadedParts[0].ETag}
		if _, err := b.CompleteMultipartUpload(u, []sdk.UploadPart{first, p}); err != nil {
			t.Fatal(err)
		}
		if got, want := get(t, b, "multi"), slices.Concat(part, tail); !bytes.Equal(got, want) {
			t.Error("the upload that outlived the restart is another object")
		}
		if _, err := b.AppendObject("log", strings.NewReader(" three"), 7); err != nil {
			t.Error(err)
		}
		if _, err := oss.New(dir, oss.Options{}); err == nil {
			t.Error("a directory was opened twice")
		}
		for _, key := range []string{"a\x00b", "empty", "twice", "link", "log", "multi"} {
			if err := b.DeleteObject(key); err != nil {
				t.Error(err)
			}
		}
	})
	files := 0
	filepath.WalkDir(filepath.Join(dir, "data"), func(_ string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if files != 0 {
		t.Errorf("%d files are left of an empty bucket", files)
	}
}

// TestConcurrentPuts checks that of many puts of one key a reader sees a whole
// one each time.
func TestConcurrentPuts(t *testing.T) {
	s := start(t)
	b := s.client(t)
	const writers, rounds = 6, 15
	body := func(w, n int) []byte { return bytes.Repeat([]byte{byte(w)}, 1+(w*997+n*31_013)%400_000) }
	if err := b.PutObject("k", bytes.NewReader(body(0, 0))); err != nil {
		t.Fatal(err)
	}
	var wg, readers sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			for n := range rounds {
				if err := b.PutObject("k", bytes.NewReader(body(w, n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var h http.Header
				got := get(t, b, "k", sdk.GetResponseHeader(&h))
				if len(got) == 0 || !bytes.Equal(got, bytes.Repeat(got[:1], len(got))) {
					t.Errorf("%d bytes are of more than one put", len(got))
				}
				if crc := crc64.Checksum(got, crc64.MakeTable(crc64.ECMA)); h.Get("X-Oss-Hash-Crc64ecma") != strconv.FormatUint(crc, 10) {
					t.Error("headers of one put, content of another")
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
}

// TestMultipart checks the sums of an object of parts that have gaps between
// their numbers and were sent twice.
func TestMultipart(t *testing.T) {
	s := start(t)
	b := s.client(t)
	u, err := b.InitiateMultipartUpload("multi", sdk.Meta("m", "v"))
	if err != nil {
		t.Fatal(err)
	}
	var want, etags []byte
	var parts []sdk.UploadPart
	for _, n := range []int{1, 3, 10000} {
		if _, err := b.UploadPart(u, strings.NewReader("first try"), 9, n); err != nil {
			t.Fatal(err)
		}
		data := random(100<<10 + n)
		p, err := b.UploadPart(u, bytes.NewReader(data), int64(len(data)), n)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
		want = append(want, data...)
		etags = fmt.Appendf(etags, "%X", md5.Sum(data))
	}
	var h http.Header
	done, err := b.CompleteMultipartUpload(u, parts, sdk.GetResponseHeader(&h))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`"%X-3"`, md5.Sum(etags)); done.ETag != want {
		t.Errorf("ETag %s, want %s", done.ETag, want)
	}
	if want := strconv.FormatUint(crc64.Checksum(want, crc64.MakeTable(crc64.ECMA)), 10); h.Get("X-Oss-Hash-Crc64ecma") != want {
		t.Errorf("CRC %s, want %s", h.Get("X-Oss-Hash-Crc64ecma"), want)
	}
	if got := get(t, b, "multi"); !bytes.Equal(got, want) {
		t.Error("the object is not its parts")
	}
	for _, r := range []string{"0-0", "102400-102402", "102390-", "-5", "204802-204810"} {
		got := get(t, b, "multi", sdk.NormalizedRange(r))
		from, to, _ := strings.Cut(r, "-")
		start, _ := strconv.Atoi(from)
		end := len(want) - 1
		if n, err := strconv.Atoi(to); err == nil {
			end = n
		}
		if from == "" {
			start, end = len(want)-end, len(want)-1
		}
		if !bytes.Equal(got, want[start:end+1]) {
			t.Errorf("range %s: %d bytes, want %d others", r, len(got), end+1-start)
		}
	}
	if got := get(t, b, "multi", sdk.Range(5, 1<<40)); len(got) != len(want) {
		t.Errorf("a range that reaches beyond the object: %d bytes, want all %d", len(got), len(want))
	}
}

func TestListDelimiter(t *testing.T) {
	s := start(t)
	b := s.client(t)
	for _, key := range []string{"a", "b/1", "b/2", "b/3", "b0", "c//d", "c/e", "é", "z\U0001F600", "z\uFFFD"} {
		if err := b.PutObject(key, strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"a", "b/", "b0", "c/", "z\uFFFD", "z\U0001F600", "é"}},
		{"b/", []string{"b/1", "b/2", "b/3"}},
		{"c/", []string{"c//", "c/e"}},
		{"none", nil},
	} {
		if got := list(t, b, sdk.Prefix(tt.prefix), sdk.Delimiter("/")); !slices.Equal(got, tt.want) {
			t.Errorf("prefix %q: %q, want %q", tt.prefix, got, tt.want)
		}
	}
}

// zeros is a reader of zeros that knows its length.
type zeros struct{ n int64 }

func (z *zeros) Len() int { return int(z.n) }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), z.n)
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	z.n -= n
	return int(n), nil
}

// TestBodiesAreStreamed puts and gets an object that is much larger than what
// may be allocated for it.
func TestBodiesAreStreamed(t *testing.T) {
	const size = 64 << 20
	s := start(t)
	b := s.client(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := b.PutObject("large", &zeros{size}); err != nil {
		t.Fatal(err)
	}
	r, err := b.GetObject("large")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); n != size || err != nil {
		t.Errorf("read %d bytes, %v, want %d", n, err, size)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size/4 {
		t.Errorf("%d bytes were allocated for an object of %d", got, size)
	}
}
