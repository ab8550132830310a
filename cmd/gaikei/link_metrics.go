package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/probe/relay"
)

// uplinkCollector reads the state of a prober's way to the aggregator at scrape.
type uplinkCollector struct {
	u *relay.Uplink

	connected, sent, refused, lost *prometheus.Desc
}

func newUplinkCollector(u *relay.Uplink) *uplinkCollector {
	return &uplinkCollector{
		u:         u,
		connected: prometheus.NewDesc("gaikei_uplink_connected", "1 while the prober is connected to the aggregator.", nil, nil),
		sent:      prometheus.NewDesc("gaikei_uplink_messages_total", "Messages that the aggregator has taken, by lane.", []string{"lane"}, nil),
		refused:   prometheus.NewDesc("gaikei_uplink_refused_total", "Answers that a message was not taken; it is sent again, unless it can never be taken.", []string{"reason"}, nil),
		lost:      prometheus.NewDesc("gaikei_uplink_lost_messages_total", "Messages that the aggregator can never take.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *uplinkCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.connected, c.sent, c.refused, c.lost} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *uplinkCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.u.Status()
	connected := 0.0
	if s.Connected {
		connected = 1
	}
	ch <- prometheus.MustNewConstMetric(c.connected, prometheus.GaugeValue, connected)
	ch <- prometheus.MustNewConstMetric(c.lost, prometheus.CounterValue, float64(s.Lost))
	for _, lane := range lanes() {
		ch <- prometheus.MustNewConstMetric(c.sent, prometheus.CounterValue, float64(s.Sent[lane]), string(lane))
	}
	for reason, n := range s.Refused {
		ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(n), string(reason))
	}
}

func lanes() []relay.Lane { return []relay.Lane{relay.Live, relay.Late, relay.Evidence} }

// hubCollector reads the state of the aggregator's end of the transport at scrape.
type hubCollector struct {
	h        *relay.Hub
	presence *presence

	waiting, bytes, age                          *prometheus.Desc
	broken, reopened, dropped                    *prometheus.Desc
	connections, taken, refused, strangers       *prometheus.Desc
	seen, revision, offset, pending, proberFault *prometheus.Desc
	certificate                                  *prometheus.Desc
}

func newHubCollector(h *relay.Hub, p *presence) *hubCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gaikei_"+name, help, labels, nil)
	}
	return &hubCollector{
		h: h, presence: p,
		waiting:     desc("far_queue_messages", "Messages of the probers that the store has not taken yet, by lane.", "lane"),
		bytes:       desc("far_queue_bytes", "Bytes that they take, by lane.", "lane"),
		age:         desc("far_queue_oldest_seconds", "Age of the oldest of them, by lane.", "lane"),
		broken:      desc("far_queue_broken", "1 while the far queue takes nothing; probers keep their results."),
		reopened:    desc("far_queue_reopened_total", "How often the far queue was opened again after a fault of its disk."),
		dropped:     desc("far_queue_dropped_total", "Messages in the far queue that were of nobody, and were left out."),
		connections: desc("prober_connections", "Connections of a prober to this aggregator.", "region", "prober"),
		taken:       desc("prober_messages_total", "Messages taken from a prober since the start.", "region", "prober"),
		refused:     desc("prober_refused_total", "What was not taken from a prober, by reason.", "region", "prober", "reason"),
		strangers:   desc("refused_connections_total", "Connections of those who did not prove who they are, by reason.", "reason"),
		certificate: desc("transport_certificate_expiry_timestamp_seconds", "When the certificate that probers are shown, or the CA that made it, ends; not there without TLS."),
		seen:        desc("prober_last_heartbeat_timestamp_seconds", "When a prober's last heartbeat came; 0 for never.", "region", "prober"),
		revision:    desc("prober_plan_revision", "Revision of the plan that a prober follows; 0 for none.", "region", "prober"),
		offset:      desc("prober_clock_offset_seconds", "How far a prober's clock is ahead of the aggregator's.", "region", "prober"),
		pending:     desc("prober_queue_pending_messages", "Messages in a prober's queue that it has not sent yet.", "region", "prober"),
		proberFault: desc("prober_silent", "1 while an enrolled prober has missed two heartbeats.", "region", "prober"),
	}
}

// Describe implements prometheus.Collector.
func (c *hubCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.waiting, c.bytes, c.age, c.broken, c.reopened, c.dropped, c.connections, c.taken, c.refused, c.strangers,
		c.seen, c.revision, c.offset, c.pending, c.proberFault, c.certificate,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *hubCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	s := c.h.Status()
	gauge(c.broken, oneIf(s.Broken))
	count(c.reopened, int64(s.Reopened))
	count(c.dropped, s.Dropped)
	for _, l := range s.Lanes {
		gauge(c.waiting, float64(l.Messages), string(l.Lane))
		gauge(c.bytes, float64(l.Bytes), string(l.Lane))
		gauge(c.age, l.Oldest.Seconds(), string(l.Lane))
	}
	if end := firstEnd(s.CertificateEnds, s.CAEnds); !end.IsZero() {
		gauge(c.certificate, float64(end.Unix()))
	}
	for reason, n := range s.Refused {
		count(c.strangers, n, string(reason))
	}
	for _, p := range s.Probers {
		gauge(c.connections, float64(p.Connections), p.Region, p.Prober)
		count(c.taken, p.Messages, p.Region, p.Prober)
		for reason, n := range p.Refused {
			count(c.refused, n, p.Region, p.Prober, string(reason))
		}
	}
	for _, p := range c.presence.list(time.Now()) {
		gauge(c.proberFault, oneIf(p.silent()), p.Region, p.Prober)
		seen := 0.0
		if !p.Heard.IsZero() {
			seen = float64(p.Heard.UnixMilli()) / 1000
		}
		gauge(c.seen, seen, p.Region, p.Prober)
		gauge(c.revision, float64(p.Beat.Revision), p.Region, p.Prober)
		gauge(c.pending, float64(p.Beat.QueuePending), p.Region, p.Prober)
		if p.Beat.ClockOffset != nil {
			gauge(c.offset, *p.Beat.ClockOffset, p.Region, p.Prober)
		}
	}
}

// firstEnd is the earlier of two instants, of which zero is none.
func firstEnd(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
