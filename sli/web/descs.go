package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/sli"
)

// descs are the names, labels and help texts of the metrics. They are stable.
type descs struct {
	slots, seconds, lateSlots, lateSeconds, latency, prober, slo, lateSLO, asOf, failures *prometheus.Desc
	counters                                                                              map[string]counterDesc // by sli.Counter.What
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
		slots:       desc("sli_slots_total", "Settled slots by verdict: good, bad, none (nothing is known of the target) or excluded (maintenance).", "check", "region", "verdict"),
		seconds:     desc("sli_seconds_total", "Time that settled slots stand for, by verdict. Availability is good / (good + bad).", "check", "region", "verdict"),
		lateSlots:   desc("sli_late_slots_total", "Slots that were counted as one thing and came to be another, by corrections or by results over ten minutes late.", "check", "region", "was", "verdict"),
		lateSeconds: desc("sli_late_seconds_total", "Time that such slots stand for.", "check", "region", "was", "verdict"),
		latency:     desc("latency_seconds", "Latency of settled up slots, from the first attempt's start to the end of the success; within 1 %, and exact at the thresholds of latency.under.", "check", "region"),
		prober:      desc("prober_sli_seconds_total", "Due time of settled slots by whether the region came to a verdict (good) or did not (bad), whatever was excluded.", "region", "verdict"),
		slo:         desc("slo_seconds_total", "Time by how it counts for the SLO: good, bad, none or excluded; as a clock shows it, however many regions and checks there are.", "slo", "verdict"),
		lateSLO:     desc("slo_late_seconds_total", "Time that was counted for the SLO as one thing and came to be another, by corrections or by results that came late.", "slo", "was", "verdict"),
		asOf:        desc("sli_as_of_timestamp_seconds", "Slots due before this instant are counted."),
		failures:    desc("sli_read_failures_total", "Scrapes that could not read the counts and repeated the values of the scrape before."),
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
	for _, x := range []*prometheus.Desc{d.slots, d.seconds, d.lateSlots, d.lateSeconds, d.latency, d.prober, d.slo, d.lateSLO, d.asOf, d.failures} {
		ch <- x
	}
	for _, what := range sortedKeys(d.counters) {
		ch <- d.counters[what].Desc
	}
}
