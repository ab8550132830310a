package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/schedule"
	"github.com/gaikei/gaikei/sli/web"
)

// gatherer collects everything that /metrics shows and feeds may send: the indicators, the process, and the state of queue and
// schedulers, read at scrape.
func (c *centre) gatherer() prometheus.Gatherer {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		web.NewCollector(c.store),
		web.NewSLOCollector(analyst{c}),
		web.NewCatalogCollector(c.catalog),
		c.gate,
		c.feeds,
		c.teller,
	)
	if c.deadman != nil {
		reg.MustRegister(c.deadman)
	}
	if c.station != nil {
		reg.MustRegister(newStationCollector(c.station))
	}
	if c.roster != nil {
		reg.MustRegister(newHubCollector(c.roster.hub, c.roster.presence))
	}
	return reg
}

// stationCollector reads the state of queue, schedulers and controls at scrape.
type stationCollector struct {
	s *station

	queuePending, queueBytes, queueAge, queueHeld *prometheus.Desc
	queueBroken, queueDropped, queueReopened      *prometheus.Desc
	running, tasks, missed, lag                   *prometheus.Desc
	blind, controlSeen, controlAlone              *prometheus.Desc
	expiry, warnings                              *prometheus.Desc
}

func newStationCollector(s *station) *stationCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gaikei_"+name, help, labels, nil)
	}
	return &stationCollector{
		s:            s,
		queuePending: desc("queue_pending_messages", "Messages in the near queue that the store has not taken yet."),
		queueBytes:   desc("queue_bytes", "Bytes that the near queue holds, taken ones included until they age out."),
		queueAge:     desc("queue_oldest_pending_seconds", "Age of the oldest message that the store has not taken yet."),
		queueHeld:    desc("queue_held_results", "Results held in memory because they are not in the queue yet."),
		queueBroken:  desc("queue_broken", "1 while the queue takes nothing, as with a full disk."),
		queueDropped: desc("queue_dropped_total", "What was lost on its way, by cause."+
			" Causes memory, invalid and stopped count results, limits messages, evidence pieces of evidence.", "cause"),
		queueReopened: desc("queue_reopened_total", "How often the queue was opened again after a fault of its disk."),
		running:       desc("prober_running_probes", "Slots being probed or judged now.", "region"),
		tasks:         desc("prober_tasks", "Checks on the schedule.", "region"),
		missed:        desc("prober_missed_slots_total", "Slots passed without a probe, by reason.", "region", "reason"),
		lag:           desc("prober_start_lag_seconds", "How long after its instant a slot's probe started.", "region"),
		blind:         desc("prober_blind_seconds", "For how long the controls have not shown the network alive; 0 when they last did.", "region", "sight"),
		controlSeen:   desc("control_last_success_timestamp_seconds", "When a control last succeeded; 0 for never.", "region", "sight", "control"),
		controlAlone:  desc("control_failing_alone_seconds", "For how long a control has failed while others succeeded; 0 if it does not.", "region", "sight", "control"),
		expiry:        desc("certificate_expiry_timestamp_seconds", "When clients begin to refuse the certificates of a check's target, as last seen.", "check", "region"),
		warnings:      desc("check_warnings", "Warnings of the last attempt at a check's target that came to certificates.", "check", "region"),
	}
}

// Describe implements prometheus.Collector.
func (e *stationCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		e.queuePending, e.queueBytes, e.queueAge, e.queueHeld, e.queueBroken, e.queueDropped, e.queueReopened,
		e.running, e.tasks, e.missed, e.lag, e.blind, e.controlSeen, e.controlAlone, e.expiry, e.warnings,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (e *stationCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	q := e.s.queue.Status()
	gauge(e.queuePending, float64(q.Pending))
	gauge(e.queueBytes, float64(q.Bytes))
	gauge(e.queueAge, q.Oldest.Seconds())
	gauge(e.queueHeld, float64(q.Held))
	broken := 0.0
	if q.Broken {
		broken = 1
	}
	gauge(e.queueBroken, broken)
	ch <- prometheus.MustNewConstMetric(e.queueReopened, prometheus.CounterValue, float64(q.Reopened))
	dropped := map[relay.Cause]int64{}
	for _, cause := range []relay.Cause{relay.DroppedMemory, relay.DroppedLimits, relay.DroppedInvalid, relay.DroppedStopped, relay.DroppedEvidence} {
		dropped[cause] = 0
	}
	for _, d := range q.Dropped {
		dropped[d.Cause] += d.Count
	}
	for cause, n := range dropped {
		ch <- prometheus.MustNewConstMetric(e.queueDropped, prometheus.CounterValue, float64(n), string(cause))
	}
	for _, p := range e.s.now() {
		e.collectProber(ch, p)
	}
}

func (e *stationCollector) collectProber(ch chan<- prometheus.Metric, p *prober) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	st := p.scheduler.Status()
	gauge(e.running, float64(st.Running), p.region)
	gauge(e.tasks, float64(st.Tasks), p.region)
	for reason, n := range map[probe.Reason]uint64{probe.Late: st.Late, probe.Overload: st.Overload, probe.Stopped: st.Stopped} {
		ch <- prometheus.MustNewConstMetric(e.missed, prometheus.CounterValue, float64(n), p.region, reason.String())
	}
	ch <- e.lagHistogram(st.Lag, p.region)
	for check, n := range p.notices.of(p.fresh) {
		gauge(e.expiry, float64(n.expires.Unix()), check, p.region)
		gauge(e.warnings, float64(n.warnings), check, p.region)
	}
	cs := p.eyes.Load().controls.Status()
	for _, s := range cs.Sights {
		gauge(e.blind, sinceSeconds(s.BlindSince), p.region, s.Name)
	}
	for _, c := range cs.Controls {
		seen := 0.0
		if !c.LastSuccess.IsZero() {
			seen = float64(c.LastSuccess.UnixMilli()) / 1000
		}
		gauge(e.controlSeen, seen, p.region, c.Sight, c.Target)
		gauge(e.controlAlone, sinceSeconds(c.FailingAlone), p.region, c.Sight, c.Target)
	}
}

// lagHistogram tells how late probes start.
func (e *stationCollector) lagHistogram(l schedule.Lag, region string) prometheus.Metric {
	buckets := map[float64]uint64{}
	var count uint64
	for i, n := range l.Counts {
		count += n
		if i < len(l.Bounds) {
			buckets[l.Bounds[i].Seconds()] = count
		}
	}
	return prometheus.MustNewConstHistogram(e.lag, count, l.Sum.Seconds(), buckets, region)
}

// sinceSeconds is how long ago an instant was; zero for none.
func sinceSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Seconds()
}
