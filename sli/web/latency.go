package web

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gaikei/gaikei/sli"
)

// latencyBounds are the buckets that every classic latency histogram has, in seconds. None is a whole number: those are
// written "1" in one format of Prometheus and "1.0" in the other, and a rule that names one misses the other.
var latencyBounds = [...]float64{.005, .01, .02, .03, .05, .075, .1, .15, .2, .3, .5, .75, 1.5, 2.5, 5.5, 10.5}

// nativeSchema is that of native histograms: buckets grow by 2^(1/32), which is nearest to the bins that latencies are
// quantised to, and a little more, so that a bucket has one bin or two.
const nativeSchema = 5

// A bin is what stands for a quantised latency.
type bin struct {
	seconds float64
	bucket  int // of a native histogram
}

// bins are those that have been needed: to work one out takes a microsecond.
type bins map[sli.Index]bin

func (b bins) of(i sli.Index) bin {
	x, ok := b[i]
	if !ok {
		x.seconds = i.Seconds()
		x.bucket = int(math.Ceil(math.Log2(x.seconds) * (1 << nativeSchema)))
		b[i] = x
	}
	return x
}

// boundOf is the bucket of a threshold, in seconds. One of whole seconds is a nanosecond less: a latency, which is in whole
// nanoseconds, is under 1 s exactly if it is at most that.
func boundOf(under time.Duration) float64 {
	if under%time.Second == 0 {
		under--
	}
	return under.Seconds()
}

// A both is a histogram that is classic and native in one. Several may write it at once.
type both struct {
	prometheus.Metric // native
	buckets           []*dto.Bucket
}

// Write implements prometheus.Metric.
func (b *both) Write(m *dto.Metric) error {
	var native dto.Metric
	if err := b.Metric.Write(&native); err != nil {
		return err
	}
	h := native.Histogram // which the metric has for itself
	m.Label = native.Label
	m.Histogram = &dto.Histogram{
		SampleCount: h.SampleCount, SampleSum: h.SampleSum, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount,
		PositiveSpan: h.PositiveSpan, PositiveDelta: h.PositiveDelta, Bucket: b.buckets,
	}
	return nil
}

// histogram makes the latency histogram of a timeline.
func (b bins) histogram(d *prometheus.Desc, x *sli.SeriesCount) prometheus.Metric {
	native := map[int]int64{}
	var n int64
	var sum float64
	for _, bin := range x.Latency.Bins {
		v := b.of(bin.Index)
		native[v.bucket] += bin.N
		n += bin.N
		sum += v.seconds * float64(bin.N)
	}
	m := prometheus.MustNewConstNativeHistogram(d, uint64(n), sum, native, nil, 0, nativeSchema, 0, time.Time{}, x.Check, x.Region)
	return &both{m, b.classic(&x.Latency)}
}

// classic makes buckets of which each holds all that is at or under its bound. At a threshold that is told by what was under
// it, and not by the values that latencies were quantised to.
func (b bins) classic(l *sli.LatencyCount) []*dto.Bucket {
	at := map[float64]sli.LatencyBound{}
	bounds := slices.Clone(latencyBounds[:])
	for _, t := range l.Bounds {
		bound := boundOf(t.Under)
		at[bound] = t
		bounds = append(bounds, bound)
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	out := make([]*dto.Bucket, 0, len(bounds))
	var upTo, shown int64
	rest := l.Bins
	for _, bound := range bounds {
		for len(rest) > 0 && b.of(rest[0].Index).seconds <= bound {
			upTo += rest[0].N
			rest = rest[1:]
		}
		// Two thresholds that divide one bin may contradict each other.
		shown = max(shown, upTo+at[bound].More)
		out = append(out, &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(uint64(shown))})
	}
	return out
}
