package otlptest

import (
	"math"
	"slices"
	"strconv"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// Samples returns the values of requests as Prometheus' text format has them, by name and labels, so that they can be held
// against /metrics: of a histogram the buckets up to each bound, the sum and the count.
func Samples(ms ...*collector.ExportMetricsServiceRequest) map[string]float64 {
	all := map[string]float64{}
	for _, m := range Each(ms...) {
		switch {
		case m.GetGauge() != nil:
			numbers(all, m.Name, m.GetGauge().DataPoints)
		case m.GetSum() != nil:
			numbers(all, m.Name, m.GetSum().DataPoints)
		case m.GetHistogram() != nil:
			for _, p := range m.GetHistogram().DataPoints {
				histogram(all, m.Name, p)
			}
		}
	}
	return all
}

// Each returns the metrics of requests, in order.
func Each(ms ...*collector.ExportMetricsServiceRequest) []*metrics.Metric {
	var all []*metrics.Metric
	for _, m := range ms {
		for _, r := range m.ResourceMetrics {
			for _, s := range r.ScopeMetrics {
				all = append(all, s.Metrics...)
			}
		}
	}
	return all
}

// Resource returns the attributes of who sent a request.
func Resource(m *collector.ExportMetricsServiceRequest) map[string]string {
	all := map[string]string{}
	for _, r := range m.ResourceMetrics {
		for _, kv := range r.Resource.Attributes {
			all[kv.Key] = kv.Value.GetStringValue()
		}
	}
	return all
}

func numbers(all map[string]float64, name string, ps []*metrics.NumberDataPoint) {
	for _, p := range ps {
		all[sample(name, p.Attributes)] = p.GetAsDouble()
	}
}

func histogram(all map[string]float64, name string, p *metrics.HistogramDataPoint) {
	n := uint64(0)
	for i, more := range p.BucketCounts {
		bound := math.Inf(1)
		if i < len(p.ExplicitBounds) {
			bound = p.ExplicitBounds[i]
		}
		n += more
		all[sample(name+"_bucket", p.Attributes, "le", strconv.FormatFloat(bound, 'g', -1, 64))] = float64(n)
	}
	all[sample(name+"_sum", p.Attributes)] = p.GetSum()
	all[sample(name+"_count", p.Attributes)] = float64(p.Count)
}

// sample is how a line of the text format begins: labels in order, and then a further one.
func sample(name string, labels []*common.KeyValue, further ...string) string {
	var texts []string
	for _, kv := range labels {
		texts = append(texts, kv.Key+`="`+kv.Value.GetStringValue()+`"`)
	}
	slices.Sort(texts)
	if len(further) == 2 {
		texts = append(texts, further[0]+`="`+further[1]+`"`)
	}
	if len(texts) == 0 {
		return name
	}
	return name + "{" + strings.Join(texts, ",") + "}"
}
