package e2e

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestObjectProperties: an object is given the same properties whether it was
// put, sent in parts, or copied because its file was renamed. Anybody may look at
// objects whose ACL says so, which is how the test does.
func TestObjectProperties(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{
		"storage_class": "IA", "encryption": "AES256", "acl": "public-read", "cache_control": "max-age=60",
		"content_types": map[string]string{".odd": "application/x-odd"},
		"metadata":      map[string]string{"team": "blue"},
		"tags":          map[string]string{"env": "test", "a b": "c+d"},
	}, nil)
	mtime := time.Unix(1_600_000_000, 123_456_789)
	for name, size := range map[string]int64{"small.odd": 100, "large.odd": 9 << 20} {
		path := filepath.Join(source, name)
		if err := writeRandom(path, size, 1); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // the grain of file times
	check := func(key, contentType string) {
		t.Helper()
		resp, err := http.Head(b.OSSEndpoint + "/" + b.Bucket + "/" + url.PathEscape(key))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := map[string]string{
			"Content-Type": contentType, "Cache-Control": "max-age=60",
			"X-Oss-Storage-Class": "IA", "X-Oss-Server-Side-Encryption": "AES256", "X-Oss-Tagging-Count": "2",
			"X-Oss-Meta-Team": "blue", "X-Oss-Meta-Osssync-Mtime": strconv.FormatInt(mtime.UnixNano(), 10),
			"X-Oss-Meta-Osssync-Mode": "0640",
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d; is its ACL not public-read?", key, resp.StatusCode)
		}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value && name != "X-Oss-Meta-Osssync-Mode" {
				t.Errorf("%s: %s is %q, want %q", key, name, got, value)
			} else if len(got) != len(value) { // Windows knows fewer modes
				t.Errorf("%s: %s is %q, want one such as %q", key, name, got, value)
			}
		}
	}
	sync1(t, config)
	stat := exec.Command(bin, "-c", config, "stat", "--json", "oss://"+b.Bucket+"/small.odd")
	stat.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	out, err := stat.Output()
	const tells = `"content_type":"application/x-odd","cache_control":"max-age=60","storage_class":"IA","encryption":"AES256","type":"Normal","tags":2}`
	if err != nil || !strings.Contains(string(out), tells) {
		t.Errorf("stat: %v\n%s", err, out)
	}
	check("small.odd", "application/x-odd")
	check("large.odd", "application/x-odd")
	for _, name := range []string{"small", "large"} {
		if err := os.Rename(filepath.Join(source, name+".odd"), filepath.Join(source, name+".HTML")); err != nil {
			t.Fatal(err)
		}
	}
	b.OSS.Requests().Reset()
	sync1(t, config)
	if n := count(b, oss.CopyObject); n != 2 {
		t.Errorf("%d copies of 2 renamed files", n)
	}
	check("small.HTML", "text/html; charset=utf-8")
	check("large.HTML", "text/html; charset=utf-8")
}
