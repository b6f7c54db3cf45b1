package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const mainFile = "osssync.toml"

// native replaces @/path by an absolute path of this platform.
func native(text string) string {
	return regexp.MustCompile(`@/[\w./-]*`).ReplaceAllStringFunc(text, func(p string) string {
		return filepath.FromSlash(root + p[1:])
	})
}

// write writes files, each after a line "-- NAME --", or one main file if there
// is no such line, and returns the main file's path.
func write(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	parts := regexp.MustCompile(`(?m)^-- (\S+) --\n`).Split(native(text), -1)
	names := regexp.MustCompile(`(?m)^-- (\S+) --\n`).FindAllStringSubmatch(text, -1)
	if len(names) == 0 {
		parts, names = []string{"", parts[0]}, [][]string{{"", mainFile}}
	}
	for i, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name[1]))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(parts[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, mainFile)
}

// report returns an error as users see it, but for the directory.
func report(path string, err error) string {
	if err == nil {
		return ""
	}
	dir := filepath.Dir(path) + string(filepath.Separator)
	return strings.ReplaceAll(strings.ReplaceAll(err.Error(), dir, ""), `conf.d\`, "conf.d/")
}

func mustLoad(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func same(a, b Config) bool {
	a.origins, b.origins = nil, nil
	return reflect.DeepEqual(a, b)
}

func TestLoadEmpty(t *testing.T) {
	if c := mustLoad(t, "-- osssync.toml --\n"); !same(*c, Default()) {
		t.Errorf("an empty file gives %+v, want the defaults", c)
	}
}

func TestLoadEverything(t *testing.T) {
	c := mustLoad(t, `
[oss]
bucket = "my-bucket"
region = "cn-hangzhou"
endpoint = "http://oss.example.com:8080/"
allow_http = true
path_style = true

[credentials]
role = "Uploader_1"
metadata_endpoint = "http://127.0.0.1:8000"
cache = false
assume_role_arn = "acs:ram::123456789012:role/target"
session_name = "me@{hostname}"
external_id = "ext-1"
session_policy = '{"Version":"1","Statement":[]}'
session_duration = "12h"
sts_endpoint = "sts.example.com"

[agent]
state_dir = '@/var/lib/state/'
max_uploads = 1024
memory = "1GiB"
bandwidth = "10MiB"
rescan = "7d"
stop_grace = "0"
listen = "127.0.0.1:9464"
log_level = "debug"
log_format = "json"

[[job]]
name = "a"
source = '@/data/a/../b'
bucket = "other"
prefix = "p/{instance_id}/{date:2006/01/02}/{hash2}/"
filter = ["- *.tmp", "+ **"]
min_size = 1
max_size = "1.5GB"
settle = "500ms"
max_wait = "1d1h"
deletes = "trash"
trash_prefix = "old/"
max_deletes = "2.5%"
renames = false
after_upload = "keep"
symlinks = "follow"
watch = "poll"
storage_class = ""
encryption = "KMS:9468da86-3509-4f8d-a61e-6eab1eac0000"
acl = "private"
cache_control = "no-cache"
content_types = { ".log" = "text/plain; charset=utf-8" }
metadata = { team = "web" }
tags = { "keep for" = "90d" }
preserve = false

[[job]]
name = "b"
source = '@/data/c'
max_deletes = 5
after_upload = 'move:@/done'
`)
	want := Default()
	want.OSS = OSS{Bucket: "my-bucket", Region: "cn-hangzhou", Endpoint: "http://oss.example.com:8080", AllowHTTP: true, PathStyle: true}
	want.Credentials = Credentials{
		Role: "Uploader_1", MetadataEndpoint: "http://127.0.0.1:8000",
		AssumeRoleARN: "acs:ram::123456789012:role/target", SessionName: "me@{hostname}", ExternalID: "ext-1",
		SessionPolicy: `{"Version":"1","Statement":[]}`, SessionDuration: Duration(12 * time.Hour),
		STSEndpoint: "https://sts.example.com",
	}
	rate, err := ParseBandwidth("10MiB")
	if err != nil {
		t.Fatal(err)
	}
	want.Agent = Agent{
		StateDir: native("@/var/lib/state"), MaxUploads: 1024, Memory: GiB, Bandwidth: rate,
		Rescan: Duration(7 * day), Listen: "127.0.0.1:9464", LogLevel: "debug", LogFormat: "json",
	}
	b := DefaultJob()
	b.Name, b.Source, b.Bucket = "b", native("@/data/c"), "my-bucket"
	b.MaxDeletes, b.AfterUpload = Limit{Count: 5}, native("move:@/done")
	want.Jobs = []Job{{
		Name: "a", Source: native("@/data/b"), Bucket: "other", Prefix: "p/{instance_id}/{date:2006/01/02}/{hash2}/",
		Filter: []string{"- *.tmp", "+ **"}, MinSize: 1, MaxSize: 15e8,
		Settle: Duration(500 * time.Millisecond), MaxWait: Duration(25 * time.Hour),
		Deletes: "trash", TrashPrefix: "old/", MaxDeletes: Limit{Percent: 2.5}, AfterUpload: "keep",
		Symlinks: "follow", Watch: "poll", Encryption: "KMS:9468da86-3509-4f8d-a61e-6eab1eac0000",
		ACL: "private", CacheControl: "no-cache",
		ContentTypes: map[string]string{".log": "text/plain; charset=utf-8"},
		Metadata:     map[string]string{"team": "web"}, Tags: map[string]string{"keep for": "90d"},
	}, b}
	if !same(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
	if got := c.Job("b"); got != &c.Jobs[1] {
		t.Errorf("Job(b) = %v", got)
	}
	if got := c.Job("c"); got != nil {
		t.Errorf("Job(c) = %v, want nil", got)
	}
}

func TestLoadDropIns(t *testing.T) {
	c := mustLoad(t, `
-- osssync.toml --
[oss]
bucket = "main"
region = "cn-hangzhou"
[[job]]
name = "z"
source = '@/z'
-- conf.d/20.toml --
oss.bucket = "twenty"
[agent]
memory = "32MiB"
[[job]]
name = "a"
source = '@/a'
-- conf.d/10.toml --
oss = { bucket = "ten", path_style = true }
[[job]]
name = "b"
source = '@/b'
[agent]
max_uploads = 3
-- conf.d/.30.toml --
left behind by an editor
-- conf.d/40.toml~ --
so is this
`)
	if got := c.OSS; got != (OSS{Bucket: "twenty", Region: "cn-hangzhou", PathStyle: true}) {
		t.Errorf("tables do not merge key by key, later files last: %+v", got)
	}
	if c.Agent.MaxUploads != 3 || c.Agent.Memory != 32*MiB {
		t.Errorf("agent = %+v", c.Agent)
	}
	var names []string
	for _, j := range c.Jobs {
		names = append(names, j.Name)
	}
	if diff := cmp.Diff([]string{"z", "b", "a"}, names); diff != "" {
		t.Errorf("jobs: %s", diff)
	}
}

func TestLoadNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), mainFile)
	_, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load(%s) = %v, want one that matches fs.ErrNotExist", path, err)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.File != path || e.Line != 0 {
		t.Errorf("Load(%s) = %#v, want an *Error about the file", path, err)
	}
	if got := report(path, err); !strings.HasPrefix(got, mainFile+": ") || strings.Count(got, mainFile) != 1 {
		t.Errorf("message %q does not name the file once", got)
	}
}

func TestLoadTooLarge(t *testing.T) {
	path := write(t, "#"+strings.Repeat("x", maxFileSize))
	_, err := Load(path)
	if got, want := report(path, err), "osssync.toml: more than 1MiB, which is no configuration"; got != want {
		t.Errorf("Load = %q, want %q", got, want)
	}
}

func TestLoadByteOrderMarkAndCRLF(t *testing.T) {
	path := write(t, "-- osssync.toml --\n\ufeff[agent]\r\nmax_uploads = 7\r\n")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Agent.MaxUploads != 7 {
		t.Errorf("max_uploads = %d, want 7", c.Agent.MaxUploads)
	}
	if got := c.origins["agent.max_uploads"]; got != (Origin{path, 2, 1}) {
		t.Errorf("origin %+v, want 2:1", got)
	}
}

func TestSettings(t *testing.T) {
	path := write(t, `
-- osssync.toml --
[oss]
bucket = "main"
[[job]]
name = "a"
source = '@/a'
metadata.team = "web"
filter = ["- x"]
-- conf.d/a.toml --
  oss.bucket = "later"
`)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	late := filepath.Join(filepath.Dir(path), dropDir, "a.toml")
	want := map[string]Setting{
		"oss.bucket":   {"oss", "", "bucket", `"later"`, Origin{late, 1, 7}},
		"oss.region":   {"oss", "", "region", `""`, Origin{}},
		"agent.memory": {"agent", "", "memory", `"256MiB"`, Origin{}},
		"job.bucket":   {"job", "a", "bucket", `"later"`, Origin{late, 1, 7}},
		"job.metadata": {"job", "a", "metadata", `{ team = "web" }`, Origin{path, 6, 1}},
		"job.filter":   {"job", "a", "filter", `["- x"]`, Origin{path, 7, 1}},
		"job.renames":  {"job", "a", "renames", "true", Origin{}},
		"job.max_wait": {"job", "a", "max_wait", `"1m"`, Origin{}},
	}
	n := 0
	for _, s := range c.Settings() {
		n++
		if w, ok := want[s.Section+"."+s.Key]; ok && s != w {
			t.Errorf("%s.%s = %+v, want %+v", s.Section, s.Key, s, w)
		}
	}
	if all := len(ossKeys) + len(credentialsKeys) + len(agentKeys) + len(jobKeys); n != all {
		t.Errorf("%d settings, want %d", n, all)
	}
	if got, want := (Origin{path, 6, 1}).String(), path+":6"; got != want {
		t.Errorf("Origin.String() = %q, want %q", got, want)
	}
	if got := (Origin{}).String(); got != "default" {
		t.Errorf("Origin{}.String() = %q, want default", got)
	}
	e := c.Mistake(0, "filter[0]", errors.New("bad pattern"))
	if got, want := report(path, e), "osssync.toml:7:11: job.filter[0]: bad pattern"; got != want {
		t.Errorf("Mistake = %q, want %q", got, want)
	}
}
