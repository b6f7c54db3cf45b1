package box_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// bucket returns the box's bucket as the official SDK sees it, with a
// credential that the metadata service gave out.
func bucket(t *testing.T, b *box.Box) *sdk.Bucket {
	t.Helper()
	return bucketAs(t, b, metadataGrant(t, b))
}

func bucketAs(t *testing.T, b *box.Box, g authority.Grant) *sdk.Bucket {
	t.Helper()
	c, err := sdk.New(b.OSSEndpoint, g.AccessKeyID, g.AccessKeySecret, sdk.SecurityToken(g.SecurityToken),
		sdk.AuthVersion(sdk.AuthV4), sdk.Region(b.Region))
	if err != nil {
		t.Fatal(err)
	}
	bk, err := c.Bucket(b.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return bk
}

// metadataGrant asks the metadata service as an agent would.
func metadataGrant(t *testing.T, b *box.Box) authority.Grant {
	t.Helper()
	ask := func(method, path, header, value string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, b.MetadataEndpoint+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		status, body := send(t, r)
		if status != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, status, body)
		}
		return body
	}
	token := ask("PUT", "/latest/api/token", ecs.TTLHeader, "60")
	const roles = "/latest/meta-data/ram/security-credentials/"
	var k struct{ AccessKeyId, AccessKeySecret, SecurityToken string }
	body := ask("GET", roles+ask("GET", roles, ecs.TokenHeader, token), ecs.TokenHeader, token)
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		t.Fatal(err)
	}
	return authority.Grant{AccessKeyID: k.AccessKeyId, AccessKeySecret: k.AccessKeySecret, SecurityToken: k.SecurityToken}
}

func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func put(t *testing.T, bk *sdk.Bucket, key, content string) {
	t.Helper()
	if err := bk.PutObject(key, strings.NewReader(content)); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func TestObjects(t *testing.T) {
	b := box.Start(t, box.Options{})
	bk := bucket(t, b)
	for _, k := range []string{"a", "dir/ünï +%", "z//.."} {
		put(t, bk, k, "123456789")
	}
	want := box.Object{Size: 9, CRC64: 0x995dc9bbdf1939fa, ETag: "25F9E794323B453885F5181F1B624D0B"}
	got := b.WaitForKeys(t, 10*time.Second, "a", "dir/ünï +%", "z//..")
	if len(got) != 3 {
		t.Errorf("%d objects: %v", len(got), got)
	}
	for k, o := range got {
		if o != want {
			t.Errorf("%s: %+v, want %+v", k, o, want)
		}
	}
	put(t, bk, "a", "")
	if err := bk.DeleteObject("z//.."); err != nil {
		t.Fatal(err)
	}
	b.OSS.Faults().Add(oss.Fault{Status: 500})
	got, err := b.Objects()
	if n := b.OSS.Requests().Count(oss.ListObjects) + b.OSS.Requests().Count(oss.HeadObject); n != 0 {
		t.Errorf("the log shows %d requests of the box itself", n)
	}
	if err != nil || len(got) != 2 || got["a"].Size != 0 || got["a"].CRC64 != 0 {
		t.Errorf("after a change: %v, %v", got, err)
	}
}

func TestManyObjects(t *testing.T) {
	b := box.Start(t, box.Options{})
	bk := bucket(t, b)
	for i := range 205 {
		put(t, bk, fmt.Sprintf("k +%d", i), "x")
	}
	if got, err := b.Objects(); err != nil || len(got) != 205 {
		t.Errorf("%d objects, %v, want 205", len(got), err)
	}
}

func TestCompare(t *testing.T) {
	b := box.Start(t, box.Options{})
	bk := bucket(t, b)
	dir := t.TempDir()
	for name, content := range map[string]string{"same": "1", "sub/other": "22", "missing": "3", "longer": "4"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, bk, "p/same", "1")
	put(t, bk, "p/sub/other", "23")
	put(t, bk, "p/longer", "44")
	put(t, bk, "p/extra", "5")
	put(t, bk, "elsewhere", "6")
	got, err := b.Compare(dir, "p/")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{
		"no file for object p/extra",
		"no object p/missing",
		"object p/longer has 2 bytes with CRC-64 2224118912413371532, the file 1 with 16343987181800246193",
		"object p/sub/other has 2 bytes with CRC-64 5334702285155210528, the file 2 with 17953291814001920591",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("differences %q, want %q", got, want)
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	b, err := box.New(dir, box.Options{KeyID: "id", KeySecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	bk := bucket(t, b)
	put(t, bk, "k", "content")
	if _, err := box.New(dir, box.Options{}); err == nil {
		t.Error("a second box opened the same directory")
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatalf("close, twice: %v", err)
	}
	again, err := box.New(dir, box.Options{Addr: strings.TrimPrefix(b.OSSEndpoint, "http://"), KeyID: "id", KeySecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.OSSEndpoint != b.OSSEndpoint {
		t.Errorf("now at %s, was at %s", again.OSSEndpoint, b.OSSEndpoint)
	}
	if err := bk.PutObject("x", strings.NewReader("")); err == nil {
		t.Error("a credential from before the restart is taken")
	}
	body, err := bucketAs(t, again, authority.Grant{AccessKeyID: "id", AccessKeySecret: "secret"}).GetObject("k")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if content, err := io.ReadAll(body); err != nil || string(content) != "content" {
		t.Errorf("after the restart: %q, %v", content, err)
	}
}

func TestDownAndUp(t *testing.T) {
	b := box.Start(t, box.Options{})
	for service, url := range map[box.Service]string{box.OSS: b.OSSEndpoint, box.Metadata: b.MetadataEndpoint, box.STS: b.STSEndpoint} {
		if err := errors.Join(b.Down(service), b.Down(service)); err != nil {
			t.Errorf("%s down, twice: %v", service, err)
		}
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			t.Errorf("%s is down and answers %d", service, resp.StatusCode)
		} else if os.IsTimeout(err) {
			t.Errorf("%s is down: %v, want the connection refused", service, err)
		}
		if err := errors.Join(b.Up(service), b.Up(service)); err != nil {
			t.Errorf("%s up, twice: %v", service, err)
		}
		resp, err := http.Get(url)
		if err != nil {
			t.Errorf("%s is up again: %v", service, err)
			continue
		}
		resp.Body.Close()
	}
	if err := b.Down(box.Control); err == nil {
		t.Error("a service that there is not went down")
	}
}

// TestCloseWithHangingRequest has a request under way that would never end.
func TestCloseWithHangingRequest(t *testing.T) {
	b, err := box.New(t.TempDir(), box.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.ECS.Faults().Add(ecs.Fault{Hang: true})
	failed := make(chan error)
	go func() {
		_, err := http.Get(b.MetadataEndpoint)
		failed <- err
	}()
	for b.ECS.Requests().Count() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the request got an answer")
	}
}

func TestLatency(t *testing.T) {
	b := box.Start(t, box.Options{Latency: 60 * time.Millisecond})
	bk := bucket(t, b)
	start := time.Now()
	put(t, bk, "k", "x")
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("a request took %v, less than the latency", took)
	}
}

func TestConfig(t *testing.T) {
	b := box.Start(t, box.Options{Bucket: "other", Region: "cn-beijing"})
	source := filepath.Join(t.TempDir(), `odd "source" ü`)
	text := b.ConfigWith(map[string]map[string]any{
		"agent":       {"stop_grace": "5s"},
		"credentials": {"role": "writer"},
	}, box.Job{"name": "one", "source": source, "filter": []string{"- *.tmp"}}, box.Job{"name": "two", "source": t.TempDir()})
	var got struct {
		OSS struct {
			Bucket, Region, Endpoint string
			PathStyle                bool `toml:"path_style"`
		}
		Credentials struct {
			Role     string
			Metadata string `toml:"metadata_endpoint"`
			STS      string `toml:"sts_endpoint"`
		}
		Agent struct {
			StateDir  string `toml:"state_dir"`
			StopGrace string `toml:"stop_grace"`
		}
		Job []struct {
			Name, Source string
			Filter       []string
		}
	}
	file := filepath.Join(t.TempDir(), "osssync.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file); err != nil {
		t.Errorf("osssync does not take it: %v\n%s", err, text)
	}
	md, err := toml.Decode(text, &got)
	if err != nil || len(md.Undecoded()) > 0 {
		t.Fatalf("%v, unknown keys %v in\n%s", err, md.Undecoded(), text)
	}
	if o := got.OSS; o.Bucket != "other" || o.Region != "cn-beijing" || o.Endpoint != b.OSSEndpoint || !o.PathStyle {
		t.Errorf("oss: %+v", o)
	}
	if c := got.Credentials; c.Role != "writer" || c.Metadata != b.MetadataEndpoint || c.STS != b.STSEndpoint {
		t.Errorf("credentials: %+v", c)
	}
	if a := got.Agent; !strings.HasPrefix(a.StateDir, b.Dir) || a.StopGrace != "5s" {
		t.Errorf("agent: %+v", a)
	}
	if j := got.Job; len(j) != 2 || j[0].Source != source || j[0].Filter[0] != "- *.tmp" || j[1].Name != "two" {
		t.Errorf("jobs: %+v", j)
	}
	if strings.Contains(b.Config(), "job") {
		t.Errorf("a configuration without jobs:\n%s", b.Config())
	}
}

func TestCheckAddr(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "127.1.2.3:80": true, "[::1]:80": true, "localhost:1": true, "100.100.100.200:80": true,
		"0.0.0.0:80": false, ":80": false, "[::]:80": false, "192.168.0.1:80": false, "100.100.100.201:80": false,
		"example.com:80": false, "127.0.0.1": false,
	} {
		if err := box.CheckAddr(addr); (err == nil) != ok {
			t.Errorf("CheckAddr(%q) = %v", addr, err)
		}
	}
	if b, err := box.New(t.TempDir(), box.Options{STSAddr: "0.0.0.0:0"}); err == nil {
		b.Close()
		t.Error("a box listens on all addresses")
	}
}

func TestInfo(t *testing.T) {
	b := box.Start(t, box.Options{})
	var out bytes.Buffer
	if err := b.Info().Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"oss      " + b.OSSEndpoint, "metadata " + b.MetadataEndpoint, "sts      " + b.STSEndpoint, "bucket   sandbox"} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, &out)
		}
	}
	if strings.Contains(out.String(), "control") {
		t.Errorf("there is no control address:\n%s", &out)
	}
}
