package e2e

import (
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

var grownSize = flag.Int64("grown.mib", 48, "size of the log that grows by 1 MiB, MiB")

// sync1 makes one pass and returns its summary.
func sync1(t *testing.T, config string) (s struct{ Uploaded, Copied, Deleted, Skipped, Failed, Bytes, Requests int64 }) {
	t.Helper()
	cmd := exec.Command(bin, "-c", config, "--log-level", "warn", "sync", "--json")
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("osssync sync: %v\n%s%s", err, out, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var last struct{ Summary any }
	last.Summary = &s
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	return s
}

// add appends n bytes that seed decides.
func add(t *testing.T, path string, n int64, seed byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{seed}), n); err != nil {
		t.Fatal(err)
	}
}

// moved returns the bytes of bodies that came in since the log was reset, and
// how many parts were copied.
func moved(b *box.Box) (in int64, copied int) {
	for _, r := range b.OSS.Requests().Entries() {
		switch {
		case box.IsLease(r.Key):
		case r.Op == oss.UploadPartCopy && r.Status == 200:
			copied++
		case r.Op == oss.UploadPart || r.Op == oss.PutObject:
			in += r.In
		}
	}
	return in, copied
}

// TestGrow: of a large log that has grown, only the parts that are new are
// sent, whether one pass or an agent that is killed on the way does it.
func TestGrow(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	log := filepath.Join(source, "log")
	if err := writeRandom(log, *grownSize<<20, 1); err != nil {
		t.Fatal(err)
	}
	sync1(t, config)
	equal(t, b, source)

	b.OSS.Requests().Reset()
	add(t, log, 1<<20, 2)
	sync1(t, config)
	equal(t, b, source)
	in, copied := moved(b)
	if in > 20<<20 || copied == 0 {
		t.Errorf("%d MiB sent, %d parts copied for 1 MiB more", in>>20, copied)
	}
	t.Logf("%.1f MiB sent, %d parts copied for 1 MiB more of %d MiB", float64(in)/(1<<20), copied, *grownSize)

	// Killed while the parts are copied: what was done counts.
	b.OSS.Requests().Reset()
	slow := b.OSS.Faults().Add(oss.Fault{Op: oss.CompleteMultipartUpload, Hang: true})
	add(t, log, 1<<20, 3)
	d := start(t, config)
	waitFor(t, "copied parts", func() bool { _, n := moved(b); return n > 1 })
	d.stop(syscall.SIGKILL)
	b.OSS.Faults().Remove(slow)
	sync1(t, config)
	equal(t, b, source)
	if in, _ := moved(b); in > 40<<20 { // a part of 8 MiB, at most in both lives
		t.Errorf("%d MiB sent in two lives for 1 MiB more", in>>20)
	}

	// What does not grow but changes is sent where it changed.
	b.OSS.Requests().Reset()
	f, err := os.OpenFile(log, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("changed"), 9<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sync1(t, config)
	equal(t, b, source)
	if in, copied := moved(b); copied == 0 || in > 20<<20 {
		t.Errorf("%d MiB sent, %d parts copied for 7 bytes", in>>20, copied)
	}
}

// TestGrowAppendOnly: a role that may not read what it wrote sends the whole
// file, and is asked once.
func TestGrowAppendOnly(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, box.Job{"renames": false}, nil)
	log := filepath.Join(source, "log")
	if err := writeRandom(log, 20<<20, 1); err != nil {
		t.Fatal(err)
	}
	sync1(t, config)
	for _, op := range []oss.Op{oss.UploadPartCopy, oss.HeadObject, oss.GetObject, oss.CopyObject, oss.ListMultipartUploads} {
		b.OSS.Faults().Add(oss.Fault{Op: op, Status: 403, Code: "AccessDenied"})
	}
	d := start(t, config)
	for i := range 2 {
		b.OSS.Requests().Reset()
		add(t, log, 1<<20, byte(i))
		waitMirror(t, b, source)
		asked := b.OSS.Requests().Count(oss.UploadPartCopy)
		if i == 0 && asked == 0 || i > 0 && asked > 0 {
			t.Errorf("time %d: asked to copy %d parts", i+1, asked)
		}
	}
	d.stop(syscall.SIGTERM)
}

// TestOrphans: the upload whose id a crash lost is found and aborted, also when
// its file is gone. Those of others stay, and doctor tells of them.
func TestOrphans(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	stranger := exec.Command(bin, "-c", config, "put", "-", "oss://"+b.Bucket+"/other")
	stranger.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	pipe, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(pipe, rand.NewChaCha8([32]byte{9}), 17<<20); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the stranger's part", func() bool { return b.OSS.Requests().Count(oss.UploadPart) > 0 })
	if err := stranger.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = stranger.Wait() // killed

	for _, name := range []string{"stays", "vanishes"} {
		if err := writeRandom(filepath.Join(source, name), 9<<20, 1); err != nil {
			t.Fatal(err)
		}
	}
	// The server begins both uploads, but the answer takes for ever.
	lost := b.OSS.Faults().Add(oss.Fault{Op: oss.InitiateMultipartUpload, LoseReply: true})
	d := start(t, config)
	waitFor(t, "two uploads that nobody knows", func() bool {
		keys := map[string]bool{}
		for _, r := range b.OSS.Requests().Entries() {
			if r.Op == oss.InitiateMultipartUpload && r.Key != "other" {
				keys[r.Key] = true
			}
		}
		return len(keys) == 2
	})
	d.stop(syscall.SIGKILL)
	b.OSS.Faults().Remove(lost)
	if err := os.Remove(filepath.Join(source, "vanishes")); err != nil {
		t.Fatal(err)
	}
	sync1(t, config)
	equal(t, b, source)

	doctor := exec.Command(bin, "-c", config, "doctor")
	doctor.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	out, err := doctor.Output()
	if err != nil {
		t.Errorf("doctor: %v", err)
	}
	const want = "warn  job docs: orphan parts"
	if !strings.Contains(string(out), want) || !strings.Contains(string(out), "1 unfinished uploads of others") ||
		!strings.Contains(string(out), "the oldest that of other,") || !strings.Contains(string(out), "lifecycle rule") {
		t.Errorf("doctor does not tell of the one stranger's upload, and of no other:\n%s", out)
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.ListMultipartUploads, Status: 403, Code: "AccessDenied"})
	doctor = exec.Command(bin, "-c", config, "doctor")
	doctor.Env = append(os.Environ(), "HOME="+filepath.Dir(config))
	if out, _ = doctor.Output(); !strings.Contains(string(out), "ok    job docs: orphan parts") || !strings.Contains(string(out), "the role may not list them") {
		t.Errorf("doctor does not say that it may not look:\n%s", out)
	}
}

// equal fails unless the bucket holds what the directory does.
func equal(t *testing.T, b *box.Box, dir string) {
	t.Helper()
	if diff := differs(t, b, dir); diff != "" {
		t.Fatal(diff)
	}
}
