package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/sli"
)

// descs are the names, labels and help texts of the metrics. They are stable.
type descs struct {
	slots, seconds, latency, prober, asOf, failures *prometheus.Desc
	counters                                        map[string]counterDesc // by sli.Counter.What
}

// A counterDesc is a metric made of sli.Counters, and how its labels are read.
type counterDesc struct {
	*prometheus.Desc
	labels func(sli.Counter) []string
}

func newDescs() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gaikei_"+name, help, labels, nil)
	}
	pair := func(c sli.Counter) []string { return []string{c.Check, c.Region} }
	return descs{
		slots:    desc("sli_slots_total", "Settled slots by verdict: good, bad, none (nothing is known of the target) or excluded (maintenance).", "check", "region", "verdict"),
		seconds:  desc("sli_seconds_total", "Time that settled slots stand for, by verdict. Availability is good / (good + bad).", "check", "region", "verdict"),
		latency:  desc("latency_seconds", "Latency of settled up slots, from the first attempt's start to the end of the success; within 1 %.", "check", "region"),
		prober:   desc("prober_sli_seconds_total", "Due time of settled slots by whether the region came to a verdict (good) or did not (bad), whatever was excluded.", "region", "verdict"),
		asOf:     desc("sli_as_of_timestamp_seconds", "Slots due before this instant are counted."),
		failures: desc("sli_read_failures_total", "Scrapes that could not read the timelines and repeated the values of the scrape before."),
		counters: map[string]counterDesc{
			sli.CountResults: {
				desc("results_total", "Results taken in since the start, by outcome and reason. For diagnosis only: repeated deliveries count too.", "check", "region", "outcome", "reason"),
				func(c sli.Counter) []string { return []string{c.Check, c.Region, c.Outcome, c.Reason} },
			},
			sli.CountOffPlan:       {desc("off_plan_results_total", "Results off the grid in force; kept, and never in an SLI.", "check", "region"), pair},
			sli.CountDisagreements: {desc("disagreements_total", "Slots that two probers of a region saw differently.", "check", "region"), pair},
			sli.CountRejected: {
				desc("rejected_messages_total", "Messages put aside, by reason.", "reason"),
				func(c sli.Counter) []string { return []string{c.Reason} },
			},
		},
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	d := c.desc
	for _, x := range []*prometheus.Desc{d.slots, d.seconds, d.latency, d.prober, d.asOf, d.failures} {
		ch <- x
	}
	for _, what := range sortedKeys(d.counters) {
		ch <- d.counters[what].Desc
	}
}

// send writes what is counted so far.
func (c *Collector) send(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for x, t := range c.series {
		for v := sli.None; v <= sli.Excluded; v++ {
			counter(c.desc.slots, float64(t.shown.slots[v]), x.Check, x.Region, v.String())
			counter(c.desc.seconds, float64(t.shown.ms[v])/1000, x.Check, x.Region, v.String())
		}
		ch <- t.shown.histogram(c.desc.latency, x)
	}
	for region, t := range c.regions {
		counter(c.desc.prober, float64(t.shown.told)/1000, region, sli.Good.String())
		counter(c.desc.prober, float64(t.shown.due-t.shown.told)/1000, region, sli.Bad.String())
	}
	counter(c.desc.failures, c.failures)
	ch <- prometheus.MustNewConstMetric(c.desc.asOf, prometheus.GaugeValue, float64(c.asOf)/1000)
	for _, x := range c.src.Counters() {
		if d, ok := c.desc.counters[x.What]; ok {
			counter(d.Desc, float64(x.N), d.labels(x)...)
		}
	}
}

// histogram is the classic one: every bucket holds all that is at or under its bound.
func (t *totals) histogram(d *prometheus.Desc, x sli.Series) prometheus.Metric {
	buckets := make(map[float64]uint64, len(latencyBounds))
	var n uint64
	for i, bound := range latencyBounds {
		n += t.buckets[i]
		buckets[bound] = n
	}
	n += t.buckets[len(latencyBounds)]
	return prometheus.MustNewConstHistogram(d, n, t.latency, buckets, x.Check, x.Region)
}
