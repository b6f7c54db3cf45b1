package oss_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestSmallObjects checks that small objects share files, outlive a restart
// each by itself, and leave nothing behind.
func TestSmallObjects(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	const objects = 300
	body := func(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%07d|", i)), 1+i*7) }
	run := func(f func(b *sdk.Bucket)) (files int) {
		t.Helper()
		s.once(t, dir, func(b *sdk.Bucket, _ *oss.Server) { f(b) })
		filepath.WalkDir(filepath.Join(dir, "data"), func(_ string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				files++
			}
			return nil
		})
		return files
	}
	key := func(i int) string { return fmt.Sprintf("k%03d", i) }
	same := func(b *sdk.Bucket, i int) {
		t.Helper()
		if got := get(t, b, key(i)); !bytes.Equal(got, body(i)) {
			t.Errorf("%s is %d bytes, want other %d", key(i), len(got), len(body(i)))
		}
	}
	if files := run(func(b *sdk.Bucket) {
		for i := range objects {
			if err := b.PutObject(key(i), bytes.NewReader(body(i))); err != nil {
				t.Fatal(err)
			}
			same(b, i)
			same(b, i/2)
		}
	}); files > 10 {
		t.Errorf("%d files for %d small objects", files, objects)
	}
	run(func(b *sdk.Bucket) {
		for i := range objects {
			same(b, i)
			if i%3 > 0 {
				if err := b.DeleteObject(key(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	files := run(func(b *sdk.Bucket) {
		for i := 0; i < objects; i += 3 {
			same(b, i)
			if got := get(t, b, key(i), sdk.Range(3, 6)); string(got) != string(body(i)[3:7]) {
				t.Errorf("%s: bytes 3 to 6 are %q", key(i), got)
			}
			if err := b.DeleteObject(key(i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if files != 0 {
		t.Errorf("%d files are left of an empty bucket", files)
	}
}
