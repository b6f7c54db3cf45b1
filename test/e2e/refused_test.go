package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// TestRefusedJob: a bucket that refuses everything of one job is asked now and
// then, by one file at a time, while another job goes on; status says why, and
// the job recovers by itself.
func TestRefusedJob(t *testing.T) {
	t.Parallel()
	for _, fault := range []oss.Fault{
		{Key: "bad/*", Status: 403, Code: "AccessDenied"},
		{Key: "bad/*", Status: 404, Code: "NoSuchBucket"},
	} {
		t.Run(fault.Code, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.configure(nil, f.job("bad", box.Job{"renames": false}), f.job("good", nil))
			const files = 300
			for i := range files {
				write(t, filepath.Join(f.source("bad"), fmt.Sprint(i)), "text")
				write(t, filepath.Join(f.source("good"), fmt.Sprint(i)), "text")
			}
			id := f.box.OSS.Faults().Add(fault)
			c := start(t, f.file).control(f.box)
			settle(t, c, "good")
			waitFor(t, "the state of the job", func() bool { return statusOf(t, c, "bad").State == plan.Failing })
			if st := statusOf(t, c, "bad"); !strings.Contains(st.Reason, fault.Code) || st.Pending != files {
				t.Errorf("reason %q, %d pending", st.Reason, st.Pending)
			}
			hits := f.box.OSS.Faults().Hits(id)
			waitFor(t, "a probe", func() bool { return f.box.OSS.Faults().Hits(id) > hits })
			if n := f.box.OSS.Faults().Hits(id); n > files/2 {
				t.Errorf("%d requests that were refused, for %d files", n, files)
			}
			f.box.OSS.Faults().Remove(id)
			settle(t, c)
			if st := statusOf(t, c, "bad"); st.State != plan.Watching || st.Reason != "" || st.FailedFiles != 0 {
				t.Errorf("afterwards: %+v", st)
			}
			for _, job := range []string{"bad", "good"} {
				if diffs, err := f.box.Compare(f.source(job), job+"/"); err != nil || len(diffs) > 0 {
					t.Errorf("job %s: %v, %v", job, diffs, err)
				}
			}
		})
	}
}
