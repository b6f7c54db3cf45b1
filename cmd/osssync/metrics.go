package main

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/osssync/osssync/internal/agent"
)

// metrics returns what Prometheus asks.
func (p *web) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "osssync_build_info", Help: "Always 1; its label tells the version.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	reg.MustRegister(
		info,
		agent.NewCollector(p.agent, p.vitals),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(p.s.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}

func (p *web) vitals() agent.Vitals {
	v := agent.Vitals{ClockOffset: p.s.creds.Offset(), Requests: p.s.requests()}
	if snap, err := p.s.creds.Credentials(); err == nil {
		v.CredentialExpires = snap.Expires
	}
	return v
}
