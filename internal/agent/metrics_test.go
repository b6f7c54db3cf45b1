package agent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/watch"
)

// TestMetrics gathers from a job that runs and one that does not. A pedantic
// registry refuses metrics that contradict their descriptions.
func TestMetrics(t *testing.T) {
	a := New(Options{Jobs: []*config.Job{{Name: "runs"}, {Name: "broken"}}})
	l := newLine(plan.NewQueue(plan.Options{}), "runs")
	l.watcher = watch.New(t.TempDir(), nil, watch.Options{})
	l.lane.Hint("file", plan.Changed)
	a.roster.add(l)
	a.roster.fail("broken", errors.New("no such directory"))

	vitals := Vitals{ClockOffset: 2 * time.Second, Requests: 7}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(NewCollector(a, func() Vitals { return vitals }))
	got := gather(t, reg)
	for name, want := range map[string]float64{
		"osssync_job_pending_files job=runs":        1,
		"osssync_job_running job=runs":              1,
		"osssync_job_running job=broken":            0,
		"osssync_job_state job=runs state=scanning": 1,
		"osssync_job_state job=runs state=error":    0,
		"osssync_job_state job=broken state=error":  1,
		"osssync_job_uploaded_bytes_total job=runs": 0,
		"osssync_clock_offset_seconds":              2,
		"osssync_oss_requests_total":                7,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v, %v, want %v", name, v, ok, want)
		}
	}
	for _, name := range []string{"osssync_job_pending_files job=broken", "osssync_credential_expiry_seconds"} {
		if v, ok := got[name]; ok {
			t.Errorf("%s = %v, want none", name, v)
		}
	}
	vitals.CredentialExpires = time.Now().Add(time.Hour)
	if left := gather(t, reg)["osssync_credential_expiry_seconds"]; left < 3500 || left > 3600 {
		t.Errorf("expiry in %v s, want 3600", left)
	}
}

// gather returns every value by its name and labels.
func gather(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				name = append(name, l.GetName()+"="+l.GetValue())
			}
			got[strings.Join(name, " ")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return got
}
