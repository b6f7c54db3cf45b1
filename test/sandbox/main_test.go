package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/osssync/osssync/test/sandbox/box"
)

// A process is the command at work.
type process struct {
	stop           context.CancelFunc
	stdout, stderr bytes.Buffer // for after stop
	code           chan int
}

// start runs the command until its ready file is there, and returns what that
// says.
func start(t *testing.T, args ...string) (*process, box.Info) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &process{stop: stop, code: make(chan int, 1)}
	ready := filepath.Join(t.TempDir(), "ready.json")
	go func() { p.code <- run(ctx, append(args, "-ready", ready), &p.stdout, &p.stderr) }()
	for {
		b, err := os.ReadFile(ready)
		if err == nil {
			var info box.Info
			if err := json.Unmarshal(b, &info); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.end(t, ready) })
			return p, info
		}
		select {
		case code := <-p.code:
			t.Fatalf("the command ended with %d: %s", code, &p.stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// end stops the command, which must end well and take its ready file away.
func (p *process) end(t *testing.T, ready string) {
	p.stop()
	if code := <-p.code; code != 0 || p.stderr.Len() > 0 {
		t.Errorf("the command ended with %d: %s", code, &p.stderr)
	}
	if _, err := os.Stat(ready); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the ready file outlives the sandbox: %v", err)
	}
}

func TestServes(t *testing.T) {
	dir, source := t.TempDir(), t.TempDir()
	config := filepath.Join(t.TempDir(), "osssync.toml")
	p, info := start(t, "-dir", dir, "-bucket", "mine", "-region", "cn-beijing", "-control", "127.0.0.1:0",
		"-write-config", config, "-source", source, "-key", "id:se:cret", "-mode", "optional", "-role", "writer")
	if info.Bucket != "mine" || info.Region != "cn-beijing" || info.PID != os.Getpid() {
		t.Errorf("info %+v", info)
	}
	for _, url := range []string{info.OSS, info.Metadata, info.STS, info.Control} {
		resp, err := http.Get(url)
		if err != nil {
			t.Errorf("nobody at %s: %v", url, err)
			continue
		}
		resp.Body.Close()
	}
	resp, err := http.Get(info.Metadata + "/latest/meta-data/ram/security-credentials/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var role bytes.Buffer
	if _, err := role.ReadFrom(resp.Body); err != nil || role.String() != "writer" {
		t.Errorf("role %q, %v", &role, err)
	}
	checkConfig(t, config, info, source)
	p.stop()
	p.code <- <-p.code // wait for the end, and leave it for end
	want := "oss      " + info.OSS + "\nmetadata " + info.Metadata + "\nsts      " + info.STS + "\ncontrol  " + info.Control + "\nbucket   mine\n"
	if got := p.stdout.String(); !strings.HasPrefix(got, want) {
		t.Errorf("printed %q, want it to begin %q", got, want)
	}
}

func checkConfig(t *testing.T, file string, info box.Info, source string) {
	t.Helper()
	var c struct {
		OSS struct{ Bucket, Endpoint string }
		Job []struct{ Source string }
	}
	if _, err := toml.DecodeFile(file, &c); err != nil {
		t.Fatal(err)
	}
	if c.OSS.Bucket != info.Bucket || c.OSS.Endpoint != info.OSS || len(c.Job) != 1 || c.Job[0].Source != source {
		t.Errorf("configuration %+v", c)
	}
}

func TestJSON(t *testing.T) {
	p, info := start(t, "-dir", t.TempDir(), "-json", "-latency", "1ms", "-lifetime", "1h")
	p.stop()
	p.code <- <-p.code
	var printed box.Info
	if err := json.Unmarshal(p.stdout.Bytes(), &printed); err != nil || printed != info {
		t.Errorf("printed %s, %v, want %+v", &p.stdout, err, info)
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"-h"}, 0, "-write-config FILE"},
		{nil, 2, "-dir is required"},
		{[]string{"-dir", dir, "-no"}, 2, "-no"},
		{[]string{"-dir", dir, "more"}, 2, `unexpected argument "more"`},
		{[]string{"-dir", dir, "-addr", "0.0.0.0:0"}, 2, "0.0.0.0:0: not a loopback address"},
		{[]string{"-dir", dir, "-metadata-addr", "100.100.100.201:80"}, 2, "not a loopback address"},
		{[]string{"-dir", dir, "-control", ":9"}, 2, "not a loopback address"},
		{[]string{"-dir", dir, "-sts-addr", "localhost"}, 2, "missing port"},
		{[]string{"-dir", dir, "-key", "id"}, 2, "ID:SECRET"},
		{[]string{"-dir", dir, "-mode", "strict"}, 2, `no mode "strict"`},
		{[]string{"-dir", dir, "-source", dir}, 2, "-source needs -write-config"},
		{[]string{"-dir", dir, "-lifetime", "-1h"}, 2, "must not be negative"},
		{[]string{"-dir", dir, "-bucket", "Not_A_Bucket"}, 1, "create bucket Not_A_Bucket"},
		{[]string{"-dir", dir, "-ready", filepath.Join(dir, "none", "ready")}, 1, "write ready file"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), c.args, &stdout, &stderr); code != c.code || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%q: %d %s, want %d with %q", c.args, code, &stderr, c.code, c.stderr)
		}
		if stdout.Len() > 0 {
			t.Errorf("%q printed %s", c.args, &stdout)
		}
	}
}
