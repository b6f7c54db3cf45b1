package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/osssync/osssync/internal/plan"
)

// Vitals are what the agent's surroundings have to tell Prometheus.
type Vitals struct {
	CredentialExpires time.Time     // zero: there is none
	ClockOffset       time.Duration // what must be added to this machine's clock
	Requests          int64         // sent to OSS
}

// A metric is one of a job's numbers.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*JobStatus) float64
}

// A collector tells Prometheus what the agent is doing, at the moment when it
// asks.
type collector struct {
	agent   *Agent
	vitals  func() Vitals
	metrics []metric
	state   *prometheus.Desc
	running *prometheus.Desc

	expiry, offset, requests *prometheus.Desc
}

// collectTime bounds how long the index is asked for one answer.
const collectTime = 5 * time.Second

// NewCollector returns a collector of what a is doing. Counters of a job begin
// anew when the job does; the numbers of one that does not run are left out.
func NewCollector(a *Agent, vitals func() Vitals) prometheus.Collector {
	one := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &collector{
		agent:   a,
		vitals:  vitals,
		metrics: jobMetrics(),
		state: prometheus.NewDesc("osssync_job_state",
			"1 for the state that the job is in, 0 for the others.", []string{"job", "state"}, nil),
		running: prometheus.NewDesc("osssync_job_running",
			"1 while the job runs, 0 while it cannot be started.", []string{"job"}, nil),
		expiry:   one("osssync_credential_expiry_seconds", "Seconds until the credential ends; not there without one."),
		offset:   one("osssync_clock_offset_seconds", "What must be added to this machine's clock to get the time that services tell."),
		requests: one("osssync_oss_requests_total", "Requests sent to OSS."),
	}
}

func jobMetrics() []metric {
	var all []metric
	add := func(kind prometheus.ValueType, name, help string, value func(*JobStatus) float64) {
		all = append(all, metric{prometheus.NewDesc(name, help, []string{"job"}, nil), kind, value})
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "osssync_job_indexed_files", "Files that the index holds.",
		func(j *JobStatus) float64 { return float64(j.Indexed) })
	add(gauge, "osssync_job_indexed_bytes", "Size of the files that the index holds.",
		func(j *JobStatus) float64 { return float64(j.IndexedBytes) })
	add(gauge, "osssync_job_pending_files", "Files about which something may have to be done.",
		func(j *JobStatus) float64 { return float64(j.Pending) })
	add(gauge, "osssync_job_pending_bytes", "Size of those files, as far as it is known.",
		func(j *JobStatus) float64 { return float64(j.PendingBytes) })
	add(gauge, "osssync_job_oldest_pending_seconds", "How long the oldest of those files has waited.",
		func(j *JobStatus) float64 { return j.OldestPendingSeconds })
	add(gauge, "osssync_job_in_flight", "Files that are being worked on.",
		func(j *JobStatus) float64 { return float64(j.InFlight) })
	add(counter, "osssync_job_uploaded_files_total", "Files uploaded.",
		func(j *JobStatus) float64 { return float64(j.Uploaded) })
	add(counter, "osssync_job_uploaded_bytes_total", "Bytes of bodies sent for them.",
		func(j *JobStatus) float64 { return float64(j.UploadedBytes) })
	add(counter, "osssync_job_copied_files_total", "Objects copied within the bucket for files that were renamed.",
		func(j *JobStatus) float64 { return float64(j.Copied) })
	add(counter, "osssync_job_deleted_files_total", "Objects deleted, or moved to the trash.",
		func(j *JobStatus) float64 { return float64(j.Deleted) })
	add(gauge, "osssync_job_failed_files", "Files whose last attempt failed.",
		func(j *JobStatus) float64 { return float64(j.FailedFiles) })
	add(gauge, "osssync_job_held_deletions", "Files that are gone, and whose objects wait for approve or for the source to be what it was.",
		func(j *JobStatus) float64 { return float64(j.HeldDeletions) })
	add(gauge, "osssync_job_skipped_files", "FIFOs, sockets, devices and links that are not followed, which the last scan passed over.",
		func(j *JobStatus) float64 { return float64(j.Skipped) })
	add(gauge, "osssync_job_watched_directories", "Directories that are watched.",
		func(j *JobStatus) float64 { return float64(j.Watch.Directories) })
	add(counter, "osssync_job_watch_overflows_total", "Times that events of the system were lost, and the source scanned again.",
		func(j *JobStatus) float64 { return float64(j.Watch.Overflows) })
	add(counter, "osssync_job_scans_total", "Scans of the whole source that ended.",
		func(j *JobStatus) float64 { return float64(j.Watch.Scans) })
	return all
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
	for _, d := range []*prometheus.Desc{c.state, c.running, c.expiry, c.offset, c.requests} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTime)
	defer cancel()
	for _, j := range c.agent.Jobs(ctx) {
		c.job(ch, &j)
	}
	v := c.vitals()
	if !v.CredentialExpires.IsZero() {
		left := time.Until(v.CredentialExpires)
		ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, left.Seconds())
	}
	ch <- prometheus.MustNewConstMetric(c.offset, prometheus.GaugeValue, v.ClockOffset.Seconds())
	ch <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(v.Requests))
}

func (c *collector) job(ch chan<- prometheus.Metric, j *JobStatus) {
	for _, s := range []plan.State{plan.Scanning, plan.Watching, plan.Paused, plan.Failing} {
		ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, truth(j.State == s), j.Name, string(s))
	}
	ch <- prometheus.MustNewConstMetric(c.running, prometheus.GaugeValue, truth(j.Running), j.Name)
	if !j.Running {
		return
	}
	for _, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(j), j.Name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
