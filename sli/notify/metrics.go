package notify

import "github.com/prometheus/client_golang/prometheus"

// Describe implements prometheus.Collector. Which metrics there are depends on the configuration.
func (n *Notifier) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. It waits for nobody.
//
//	gaikei_notifications_total{receiver,result}                      requests, sent or failed
//	gaikei_notifications_dropped_total{receiver}                     events that a webhook was never told of
//	gaikei_notifications_waiting{receiver}                           events that a webhook is still to be told of
//	gaikei_notifications_last_success_timestamp_seconds{receiver}    0: never
func (n *Notifier) Collect(ch chan<- prometheus.Metric) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gaikei_notifications_"+name, help, labels, nil)
	}
	total := desc("total", "Requests to receivers of notifications, by whether they were taken.", "receiver", "result")
	dropped := desc("dropped_total", "Events that a webhook was never told of: too many waited, or it took none for too long.", "receiver")
	waiting := desc("waiting", "Events that a webhook is still to be told of.", "receiver")
	last := desc("last_success_timestamp_seconds", "When a receiver last took what it was told; 0 for never.", "receiver")
	for _, s := range *n.senders.Load() {
		ch <- prometheus.MustNewConstMetric(total, prometheus.CounterValue, float64(s.sent.Load()), s.Name, "sent")
		ch <- prometheus.MustNewConstMetric(total, prometheus.CounterValue, float64(s.failed.Load()), s.Name, "failed")
		ch <- prometheus.MustNewConstMetric(last, prometheus.GaugeValue, float64(s.last.Load())/1000, s.Name)
		if s.Kind == Webhook {
			ch <- prometheus.MustNewConstMetric(dropped, prometheus.CounterValue, float64(s.dropped.Load()), s.Name)
			ch <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(s.waiting.Load()), s.Name)
		}
	}
}
