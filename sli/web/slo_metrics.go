package web

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/gaikei/gaikei/sli"
)

// An SLOCollector shows to Prometheus how SLOs stand. They are worked out at a scrape, at most every few seconds. A figure that is
// undefined is NaN, which no comparison of a rule is true of. It is safe for concurrent use.
//
//	gaikei_slo_objective_ratio{slo}
//	gaikei_slo_sli_ratio{slo}
//	gaikei_slo_budget_remaining_ratio{slo}   1: nothing is spent; negative: more than there was
//	gaikei_slo_burn_rate{slo,window}         1: the budget lasts exactly for the SLO's window
//	gaikei_slo_decision{slo,decision}        1 for the decision that holds, 0 for the others
//	gaikei_slo_as_of_timestamp_seconds
//	gaikei_slo_read_failures_total           scrapes that could not work them out and repeated old values
type SLOCollector struct {
	src SLOSource
	now func() time.Time

	objective, ratio, left, burn, decision, asOf, failed *prometheus.Desc

	mu       sync.Mutex // guards all below
	last     []sli.SLOReport
	at       time.Time // of last
	failures float64
}

// An SLOSource tells how SLOs stand.
type SLOSource interface {
	// SLOs reports on the SLOs of the configuration in force, all at one as_of.
	SLOs(ctx context.Context, now time.Time) ([]sli.SLOReport, error)
}

// sloEvery is how old the reports that are shown may be. They move by a slot in a window.
const sloEvery = 10 * time.Second

// NewSLOCollector makes a collector of the SLOs of a source.
func NewSLOCollector(src SLOSource) *SLOCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gaikei_slo_"+name, help, labels, nil)
	}
	return &SLOCollector{
		src: src, now: time.Now,
		objective: desc("objective_ratio", "The objective of the SLO.", "slo"),
		ratio:     desc("sli_ratio", "The indicator over the SLO's window; NaN while nothing is valid.", "slo"),
		left:      desc("budget_remaining_ratio", "How much of the error budget is left; negative beyond it, NaN while nothing is valid.", "slo"),
		burn:      desc("burn_rate", "How fast the error budget is spent over a window; at 1 it lasts exactly for the SLO's. NaN while nothing is valid.", "slo", "window"),
		decision:  desc("decision", "1 for what the error budget policy decides, 0 for the others.", "slo", "decision"),
		asOf:      desc("as_of_timestamp_seconds", "The instant up to which the SLOs are worked out."),
		failed:    desc("read_failures_total", "Scrapes that could not work the SLOs out and repeated the values before."),
	}
}

// Describe implements prometheus.Collector.
func (c *SLOCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.objective, c.ratio, c.left, c.burn, c.decision, c.asOf, c.failed} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *SLOCollector) Collect(ch chan<- prometheus.Metric) {
	// The interface hands over no context.
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.at) >= sloEvery || now.Before(c.at) {
		if err := c.advance(ctx, now); err != nil {
			c.failures++
		}
	}
	ch <- prometheus.MustNewConstMetric(c.failed, prometheus.CounterValue, c.failures)
	for i := range c.last {
		c.send(ch, &c.last[i])
	}
	if len(c.last) > 0 {
		ch <- prometheus.MustNewConstMetric(c.asOf, prometheus.GaugeValue, float64(c.last[0].AsOf.UnixMilli())/1000)
	}
}

// advance works the SLOs out. After an error nothing has changed.
func (c *SLOCollector) advance(ctx context.Context, now time.Time) error {
	reports, err := c.src.SLOs(ctx, now)
	if err != nil {
		return err
	}
	c.last, c.at = reports, now
	return nil
}

func (c *SLOCollector) send(ch chan<- prometheus.Metric, r *sli.SLOReport) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.objective, r.Objective, r.Name)
	gauge(c.ratio, orNaN(r.SLI), r.Name)
	gauge(c.left, orNaN(r.Budget.Left), r.Name)
	shown := map[string]bool{} // windows of two pairs may be as long
	for _, b := range r.Burn {
		for _, x := range []struct {
			seconds float64
			rate    *float64
		}{{b.LongSeconds, b.Long}, {b.ShortSeconds, b.Short}} {
			window := model.Duration(time.Duration(x.seconds * float64(time.Second))).String()
			if !shown[window] {
				shown[window] = true
				gauge(c.burn, orNaN(x.rate), r.Name, window)
			}
		}
	}
	for _, d := range sli.Decisions() {
		v := 0.0
		if d == r.Decision.Decision {
			v = 1
		}
		gauge(c.decision, v, r.Name, d)
	}
}

func orNaN(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}
