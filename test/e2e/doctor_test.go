package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// doctorLimit is what doctor promises, and as much again for a slow machine.
const doctorLimit = 20 * time.Second

// TestDoctorHangs lets each service, and both, take a request and never answer.
// The doctor must say which it is, in time.
func TestDoctorHangs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*box.Box)
		code  int
		fails string
	}{
		"metadata": {func(b *box.Box) { b.ECS.Faults().Add(ecs.Fault{Hang: true}) }, 4, "metadata service"},
		"oss":      {func(b *box.Box) { b.OSS.Faults().Add(oss.Fault{Hang: true}) }, 1, "bucket sandbox"},
		"part":     {func(b *box.Box) { b.OSS.Faults().Add(oss.Fault{Op: oss.UploadPart, Hang: true}) }, 1, "job docs: multipart"},
		"all": {func(b *box.Box) {
			b.ECS.Faults().Add(ecs.Fault{Hang: true})
			b.OSS.Faults().Add(oss.Fault{Hang: true})
		}, 4, "metadata service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := box.Start(t, box.Options{})
			t.Cleanup(func() { b.OSS.Faults().Clear(); b.ECS.Faults().Clear() })
			config, _ := configure(t, b, nil, nil)
			tt.spoil(b)
			begun := time.Now()
			out, err := exec.Command(bin, "-c", config, "doctor", "--json").Output()
			if took := time.Since(begun); took > doctorLimit {
				t.Errorf("took %v", took)
			}
			if code := exitCode(err); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			var doc struct {
				Checks []struct{ Name, Status, Detail, Fix string }
			}
			if err := json.Unmarshal(out, &doc); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			found := false
			for _, c := range doc.Checks {
				if c.Status == "fail" {
					found = found || c.Name == tt.fails
				}
				if c.Status != "ok" && (c.Fix == "" || c.Detail == "") {
					t.Errorf("%s: %q, fix %q", c.Name, c.Detail, c.Fix)
				}
			}
			if !found {
				t.Errorf("%s did not fail in %s", tt.fails, out)
			}
		})
	}
}

// TestDoctorLeavesNothing ends the multipart upload that it began though the
// part could not be sent.
func TestDoctorLeavesNothing(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, _ := configure(t, b, nil, nil)
	b.OSS.Faults().Add(oss.Fault{Op: oss.UploadPart, Status: 403, Code: "AccessDenied"})
	b.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, LoseReply: true})
	out, err := exec.Command(bin, "-c", config, "doctor").CombinedOutput()
	if exitCode(err) != 5 || !strings.Contains(string(out), "osssync policy") {
		t.Errorf("%v: %s", err, out)
	}
	log := b.OSS.Requests()
	if begun, ended := log.Count(oss.InitiateMultipartUpload), log.Count(oss.AbortMultipartUpload); begun != 1 || ended != 1 {
		t.Errorf("%d uploads begun, %d ended", begun, ended)
	}
	b.OSS.Faults().Clear()
	b.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, LoseReply: true})
	if out, err := exec.Command(bin, "-c", config, "doctor").CombinedOutput(); exitCode(err) != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if objects, err := b.Objects(); err != nil || len(objects) != 0 {
		t.Errorf("%v left, %v", objects, err)
	}
}
