package otlp

import (
	"math"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxPoints bounds a request. Receivers of gRPC take 4 MiB at once by default, and a histogram's point with the longest names
// has about 700 bytes.
const maxPoints = 5000

// requests cuts what is to be sent into requests of at most maxPoints, in order, without what is undefined.
func requests(scopes []metricdata.ScopeMetrics) [][]metricdata.ScopeMetrics {
	var all [][]metricdata.ScopeMetrics
	for _, s := range scopes {
		var now []metricdata.Metrics
		room := maxPoints
		flush := func() {
			if len(now) > 0 {
				all = append(all, []metricdata.ScopeMetrics{{Scope: s.Scope, Metrics: now}})
			}
			now, room = nil, maxPoints
		}
		for _, m := range s.Metrics {
			points := pointsOf(m.Data)
			for from := 0; from < points.n; {
				to := min(from+room, points.n)
				now = append(now, metricdata.Metrics{Name: m.Name, Description: m.Description, Unit: m.Unit, Data: points.cut(from, to)})
				if room -= to - from; room == 0 {
					flush()
				}
				from = to
			}
		}
		flush()
	}
	return all
}

// points are those of a metric, to be cut.
type points struct {
	n   int
	cut func(from, to int) metricdata.Aggregation
}

// pointsOf returns the points of a metric that are defined. The bridge makes no other types than these.
func pointsOf(data metricdata.Aggregation) points {
	switch d := data.(type) {
	case metricdata.Gauge[float64]:
		ps := defined(d.DataPoints)
		return points{len(ps), func(i, j int) metricdata.Aggregation { return metricdata.Gauge[float64]{DataPoints: ps[i:j]} }}
	case metricdata.Sum[float64]:
		ps := defined(d.DataPoints)
		return points{len(ps), func(i, j int) metricdata.Aggregation {
			return metricdata.Sum[float64]{DataPoints: ps[i:j], Temporality: d.Temporality, IsMonotonic: d.IsMonotonic}
		}}
	case metricdata.Histogram[float64]:
		return points{len(d.DataPoints), func(i, j int) metricdata.Aggregation {
			return metricdata.Histogram[float64]{DataPoints: d.DataPoints[i:j], Temporality: d.Temporality}
		}}
	case metricdata.Summary:
		return points{len(d.DataPoints), func(i, j int) metricdata.Aggregation { return metricdata.Summary{DataPoints: d.DataPoints[i:j]} }}
	}
	return points{1, func(int, int) metricdata.Aggregation { return data }}
}

// defined returns the points that have a number.
func defined(ps []metricdata.DataPoint[float64]) []metricdata.DataPoint[float64] {
	return slices.DeleteFunc(ps, func(p metricdata.DataPoint[float64]) bool { return math.IsNaN(p.Value) })
}
