package web

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics serves what the Gatherer has, and which build this is.
func (s *server) metrics() http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(buildInfo(s.Version))
	all := prometheus.Gatherers{own}
	if s.Gatherer != nil {
		all = append(all, s.Gatherer)
	}
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "gaikei_build_info",
		Help:        "Always 1; which build this is.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}
