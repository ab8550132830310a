package web

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gaikei/gaikei/sli"
)

// A Collector shows to Prometheus what the store has counted for good: every slot once, as it was when it settled. It counts
// nothing itself, so all who share a store show the same, and go on after a restart where they were.
//
//	gaikei_sli_slots_total{check,region,verdict}             slots by how they count: good, bad, none, excluded
//	gaikei_sli_seconds_total{check,region,verdict}           the time they stand for
//	gaikei_sli_late_slots_total{check,region,was,verdict}    slots that were counted as one thing and came to be another
//	gaikei_sli_late_seconds_total{check,region,was,verdict}  the time they stand for
//	gaikei_latency_seconds{check,region}                     histogram of up slots, maintenance included, classic and native
//	gaikei_prober_sli_seconds_total{region,verdict}          due time for which the region came to a verdict (good) or not (bad)
//	gaikei_slo_seconds_total{slo,verdict}                    time by how it counts for the SLO
//	gaikei_slo_late_seconds_total{slo,was,verdict}           time that was counted as one thing and came to be another
//	gaikei_sli_as_of_timestamp_seconds                       how far the counting has come; not there before it has begun
//	gaikei_sli_read_failures_total                           scrapes that could not read the counts and repeated old values
//	gaikei_results_total{check,region,outcome,reason}        arrivals since the start; for diagnosis only
//	gaikei_off_plan_results_total{check,region}              arrivals off the grid in force, never in an SLI
//	gaikei_disagreements_total{check,region}                 slots that two probers of a region saw differently
//	gaikei_rejected_messages_total{reason}                   messages put aside
//
// availability is good ÷ (good + bad), of gaikei_sli_seconds_total. It is safe for concurrent use.
type Collector struct {
	src      CountSource
	desc     descs
	verdicts [sli.Excluded + 1]*dto.LabelPair

	mu       sync.Mutex // guards all below
	last     *sli.Totals
	made     map[*sli.CountedPart][]prometheus.Metric // the histograms of the parts of last; nil for a series without latencies
	values   bins
	failures float64
}

// A CountSource tells what was counted.
type CountSource interface {
	// Totals gives what was counted for good. What is in it never changes; a part that has not changed is the same one.
	Totals(ctx context.Context) (*sli.Totals, error)
	// Counters tells what came in since the process started.
	Counters() []sli.Counter
}

// NewCollector makes a Collector of src. It reads nothing yet.
func NewCollector(src CountSource) *Collector {
	c := &Collector{src: src, desc: newDescs(), last: &sli.Totals{}, values: bins{}}
	for v := range c.verdicts {
		c.verdicts[v] = label("verdict", sli.Verdict(v).String())
	}
	return c
}

// readLimit bounds the reading of one scrape; Prometheus gives up after 10 s by default.
const readLimit = 8 * time.Second

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	// The interface hands over no context.
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if counts, err := c.src.Totals(ctx); err != nil {
		// The old values stay true for their as_of; an error here would take all other metrics down as well.
		c.failures++
	} else {
		c.take(counts)
	}
	c.send(ch)
}

// take makes histograms of the parts that have changed. They are kept, since they take longest to make. All else is made at each scrape:
// the metrics of a timeline take over a kilobyte.
func (c *Collector) take(counts *sli.Totals) {
	made := make(map[*sli.CountedPart][]prometheus.Metric, len(counts.Parts))
	for _, p := range counts.Parts {
		if ms, ok := c.made[p]; ok {
			made[p] = ms
			continue
		}
		made[p] = make([]prometheus.Metric, len(p.Series))
		for i := range p.Series {
			if x := &p.Series[i]; len(x.Latency.Bins) > 0 {
				made[p][i] = c.values.histogram(c.desc.latency, x)
			}
		}
	}
	c.last, c.made = counts, made
}

// sendSeries writes what is counted of a timeline; histogram is nil if it is still to be made.
func (c *Collector) sendSeries(ch chan<- prometheus.Metric, x *sli.SeriesCount, histogram prometheus.Metric) {
	check, region := label("check", x.Check), label("region", x.Region)
	for v := sli.None; v <= sli.Excluded; v++ {
		labels := []*dto.LabelPair{check, region, c.verdicts[v]}
		ch <- &verdictCounter{c.desc.slots, labels, float64(x.Slots[v])}
		ch <- &verdictCounter{c.desc.seconds, labels, float64(x.MS[v]) / 1000}
	}
	for _, l := range x.Late {
		ch <- counter(c.desc.lateSlots, float64(l.Slots), x.Check, x.Region, l.Was, l.Verdict)
		ch <- counter(c.desc.lateSeconds, float64(l.MS)/1000, x.Check, x.Region, l.Was, l.Verdict)
	}
	if histogram == nil {
		histogram = c.values.histogram(c.desc.latency, x)
	}
	ch <- histogram
}

// A verdictCounter is one of the counters of a timeline, which are most of all that is shown: its labels are shared.
type verdictCounter struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair // by name
	value  float64
}

// Desc implements prometheus.Metric.
func (v *verdictCounter) Desc() *prometheus.Desc { return v.desc }

// Write implements prometheus.Metric.
func (v *verdictCounter) Write(m *dto.Metric) error {
	m.Label, m.Counter = v.labels, &dto.Counter{Value: &v.value}
	return nil
}

func label(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

func counter(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// send writes what is counted so far.
func (c *Collector) send(ch chan<- prometheus.Metric) {
	regions := map[string]sli.RegionCount{}
	for _, p := range c.last.Parts {
		for i := range p.Series {
			c.sendSeries(ch, &p.Series[i], c.made[p][i])
		}
		for _, r := range p.Regions {
			sum := regions[r.Region]
			regions[r.Region] = sli.RegionCount{Due: sum.Due + r.Due, Told: sum.Told + r.Told}
		}
	}
	for region, r := range regions {
		ch <- counter(c.desc.prober, float64(r.Told)/1000, region, sli.Good.String())
		ch <- counter(c.desc.prober, float64(r.Due-r.Told)/1000, region, sli.Bad.String())
	}
	for i := range c.last.SLOs {
		x := &c.last.SLOs[i]
		for v, ms := range map[sli.Verdict]float64{sli.Good: x.Good, sli.Bad: x.Bad, sli.None: x.None, sli.Excluded: x.Excluded} {
			ch <- counter(c.desc.slo, ms/1000, x.Name, v.String())
		}
		for _, l := range x.Late {
			ch <- counter(c.desc.lateSLO, l.MS/1000, x.Name, l.Was, l.Verdict)
		}
	}
	ch <- counter(c.desc.failures, c.failures)
	if !c.last.AsOf.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.desc.asOf, prometheus.GaugeValue, float64(c.last.AsOf.UnixMilli())/1000)
	}
	for _, x := range c.src.Counters() {
		if d, ok := c.desc.counters[x.What]; ok {
			ch <- counter(d.Desc, float64(x.N), d.labels(x)...)
		}
	}
}
