package web

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// scrape collects a collector and returns its samples as Prometheus would write them.
func scrape(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.Histogram != nil:
				samples[name+" count"] = float64(m.Histogram.GetSampleCount())
				samples[name+" sum"] = m.Histogram.GetSampleSum()
				for _, b := range m.Histogram.Bucket {
					samples[fmt.Sprintf("%s le %v", name, b.GetUpperBound())] = float64(b.GetCumulativeCount())
				}
			case m.Counter != nil:
				samples[name] = m.Counter.GetValue()
			default:
				samples[name] = m.Gauge.GetValue()
			}
		}
	}
	return samples
}

// only keeps the samples of one metric.
func only(samples map[string]float64, metric string) map[string]float64 {
	some := map[string]float64{}
	for name, v := range samples {
		if strings.HasPrefix(name, metric+"{") {
			some[strings.TrimPrefix(name, metric)] = v
		}
	}
	return some
}

func verdicts(check, region string, good, bad, none, excluded float64) map[string]float64 {
	some := map[string]float64{}
	for v, n := range map[string]float64{"good": good, "bad": bad, "none": none, "excluded": excluded} {
		some[fmt.Sprintf("{check=%q,region=%q,verdict=%q}", check, region, v)] = n
	}
	return some
}

func wantSamples(t *testing.T, when string, want, got map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// counted is what was counted of some timelines, as one part.
func counted(xs ...sli.SeriesCount) *sli.Totals {
	return &sli.Totals{AsOf: noon, Parts: []*sli.CountedPart{{Series: xs}}}
}

// good is a timeline of so many good slots of a minute.
func good(check, region string, n int64) sli.SeriesCount {
	x := sli.SeriesCount{Series: sli.Series{Check: check, Region: region}}
	x.Slots[sli.Good], x.MS[sli.Good] = n, 60_000*n
	return x
}

func TestCountersShowWhatIsCounted(t *testing.T) {
	x := good("shop", "tokyo", 7)
	x.Slots[sli.Bad], x.Slots[sli.None], x.Slots[sli.Excluded] = 1, 2, 3
	x.MS[sli.None] = 120_500
	x.Late = []sli.LateCount{{Was: "none", Verdict: "good", Slots: 2, MS: 20_000}, {Was: "good", Verdict: sli.NotDue}}
	m := newMemory()
	m.counts = counted(x)
	m.counts.Parts[0].Regions = []sli.RegionCount{{Region: "tokyo", Due: 9000, Told: 7000}}
	m.counts.Parts = append(m.counts.Parts, &sli.CountedPart{Series: []sli.SeriesCount{good("zone", "tokyo", 1)}, Regions: []sli.RegionCount{{Region: "tokyo", Due: 1000}, {Region: "osaka"}}})
	m.counts.SLOs = []sli.SLOCount{{
		Name: "s", Amount: sli.Amount{Good: 9000, Bad: 1500}, Late: []sli.LateTime{{Was: "none", Verdict: "good", MS: 2500}},
	}}
	got := scrape(t, NewCollector(m))
	shop := only(got, "gaikei_sli_slots_total")
	for name, n := range verdicts("zone", "tokyo", 1, 0, 0, 0) {
		if shop[name] != n {
			t.Errorf("%s: got %v, want %v", name, shop[name], n)
		}
		delete(shop, name)
	}
	wantSamples(t, "slots", verdicts("shop", "tokyo", 7, 1, 2, 3), shop)
	if s := got[`gaikei_sli_seconds_total{check="shop",region="tokyo",verdict="none"}`]; s != 120.5 {
		t.Errorf("got %v s without a verdict, want 120.5", s)
	}
	const labels = `{check="shop",region="tokyo",verdict=%q,was=%q}`
	wantSamples(t, "late", map[string]float64{fmt.Sprintf(labels, "good", "none"): 2, fmt.Sprintf(labels, "not_due", "good"): 0}, only(got, "gaikei_sli_late_slots_total"))
	wantSamples(t, "their time", map[string]float64{fmt.Sprintf(labels, "good", "none"): 20, fmt.Sprintf(labels, "not_due", "good"): 0}, only(got, "gaikei_sli_late_seconds_total"))
	wantSamples(t, "the probers'", map[string]float64{
		`{region="tokyo",verdict="good"}`: 7, `{region="tokyo",verdict="bad"}`: 3, `{region="osaka",verdict="good"}`: 0, `{region="osaka",verdict="bad"}`: 0,
	}, only(got, "gaikei_prober_sli_seconds_total"))
	wantSamples(t, "SLOs", map[string]float64{
		`{slo="s",verdict="good"}`: 9, `{slo="s",verdict="bad"}`: 1.5, `{slo="s",verdict="none"}`: 0, `{slo="s",verdict="excluded"}`: 0,
	}, only(got, "gaikei_slo_seconds_total"))
	wantSamples(t, "of SLOs late", map[string]float64{`{slo="s",verdict="good",was="none"}`: 2.5}, only(got, "gaikei_slo_late_seconds_total"))
	if at := got["gaikei_sli_as_of_timestamp_seconds{}"]; at != float64(noon.Unix()) {
		t.Errorf("got as_of %v, want %v", at, noon.Unix())
	}
}

// latencies are up slots of these latencies, as the store counts them with a threshold.
func latencies(under time.Duration, xs ...time.Duration) sli.LatencyCount {
	n, more := map[sli.Index]int64{}, int64(0)
	for _, x := range xs {
		i := sli.Index(probe.IndexOf(x))
		n[i]++
		switch inside := i.Seconds() <= under.Seconds(); {
		case x < under && !inside:
			more++
		case x >= under && inside:
			more--
		}
	}
	l := sli.LatencyCount{Bounds: []sli.LatencyBound{{Under: under, More: more}}}
	for _, i := range slices.Sorted(maps.Keys(n)) {
		l.Bins = append(l.Bins, sli.LatencyBin{Index: i, N: n[i]})
	}
	return l
}

func TestLatencyHistogram(t *testing.T) {
	for _, under := range []time.Duration{300 * time.Millisecond, 295 * time.Millisecond, time.Second, 2 * time.Second, 1700 * time.Millisecond} {
		t.Run(under.String(), func(t *testing.T) {
			var xs []time.Duration
			for d := -30 * time.Millisecond; d <= 30*time.Millisecond; d += time.Millisecond {
				xs = append(xs, under+d)
			}
			xs = append(xs, 40*time.Millisecond, 20*time.Second)
			m := newMemory()
			x := good("shop", "tokyo", 0)
			x.Latency = latencies(under, xs...)
			m.counts = counted(x)
			got := only(scrape(t, NewCollector(m)), "gaikei_latency_seconds")
			const name = `{check="shop",region="tokyo"}`
			bound := strings.TrimSuffix(fmt.Sprint(under.Seconds()), "s")
			if under%time.Second == 0 {
				bound = fmt.Sprint((under - 1).Seconds())
			}
			for at, want := range map[string]float64{"le 0.03": 0, "le 0.05": 1, "le " + bound: 31, "le 10.5": 62, "count": 63} {
				if v, ok := got[name+" "+at]; !ok || v != want {
					t.Errorf("%s: got %v, %v, want %v", at, v, ok, want)
				}
			}
			sum := 0.0
			for _, x := range xs {
				sum += x.Seconds()
			}
			if v := got[name+" sum"]; math.Abs(v/sum-1) > .01 {
				t.Errorf("sum %v s, want %v within 1 %%", v, sum)
			}
		})
	}
}

// Every latency is in the native bucket whose bounds are around it, but for what quantising moves: a bucket's worth at most.
func TestNativeHistogram(t *testing.T) {
	m := newMemory()
	x := good("shop", "tokyo", 0)
	var all []time.Duration
	for d := time.Millisecond; d < 20*time.Second; d += d/7 + 1 {
		all = append(all, d)
	}
	x.Latency = latencies(time.Second, all...)
	m.counts = counted(x)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(NewCollector(m))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "gaikei_latency_seconds" })
	h := families[i].GetMetric()[0].GetHistogram()
	if h.GetSchema() != nativeSchema || h.GetZeroCount() != 0 || h.GetSampleCount() != uint64(len(all)) || len(h.Bucket) == 0 {
		t.Fatalf("got schema %d, %d zeros, %d of %d latencies, %d classic buckets", h.GetSchema(), h.GetZeroCount(), h.GetSampleCount(), len(all), len(h.Bucket))
	}
	var sum, n int64
	at, delta := int32(0), 0
	for _, span := range h.PositiveSpan {
		at += span.GetOffset()
		for range span.GetLength() {
			n += h.PositiveDelta[delta]
			upper := math.Exp2(float64(at) / 32)
			want := int64(0)
			for _, d := range all {
				if v := sli.Index(probe.IndexOf(d)).Seconds(); v <= upper && v > upper/math.Exp2(1.0/32) {
					want++
				}
			}
			if n != want {
				t.Errorf("bucket up to %v: got %d, want %d", upper, n, want)
			}
			sum += n
			at++
			delta++
		}
	}
	if sum != int64(len(all)) {
		t.Errorf("got %d latencies in all buckets, want %d", sum, len(all))
	}
}

// Thresholds whose bins are one, and that were in force one after the other, leave buckets in rising order.
func TestBucketsRise(t *testing.T) {
	x := good("shop", "tokyo", 0)
	x.Latency = latencies(300*time.Millisecond, 299*time.Millisecond, 299*time.Millisecond, 301*time.Millisecond)
	x.Latency.Bounds = append(x.Latency.Bounds, sli.LatencyBound{Under: 300500 * time.Microsecond}, sli.LatencyBound{Under: 299500 * time.Microsecond})
	last := uint64(0)
	for _, b := range (bins{}).classic(&x.Latency) {
		if b.GetCumulativeCount() < last {
			t.Errorf("bucket %v: got %d after %d", b.GetUpperBound(), b.GetCumulativeCount(), last)
		}
		last = b.GetCumulativeCount()
	}
}

func TestNoBoundIsAWholeNumber(t *testing.T) {
	for i, b := range latencyBounds {
		if b == math.Trunc(b) || i > 0 && b <= latencyBounds[i-1] {
			t.Errorf("bound %v: want fractions in rising order", b)
		}
	}
	for _, under := range []time.Duration{time.Second, 30 * time.Second} {
		if b := boundOf(under); b == math.Trunc(b) || b < under.Seconds()-2e-9 {
			t.Errorf("bound of %v: got %v, want a fraction right below it", under, b)
		}
	}
}

func TestAFailedReadRepeatsTheOldValues(t *testing.T) {
	m := newMemory()
	m.counts = counted(good("shop", "tokyo", 10))
	c := NewCollector(m)
	before := scrape(t, c)
	m.counts = counted(good("shop", "tokyo", 20))
	m.err = errors.New("disk on fire")
	failed := scrape(t, c)
	if got := failed["gaikei_sli_read_failures_total{}"]; got != 1 {
		t.Errorf("read failures %v, want 1", got)
	}
	delete(before, "gaikei_sli_read_failures_total{}")
	delete(failed, "gaikei_sli_read_failures_total{}")
	wantSamples(t, "while it fails", before, failed)
	m.err = nil
	wantSamples(t, "nothing is lost", verdicts("shop", "tokyo", 20, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
}

func TestArrivals(t *testing.T) {
	m := newMemory()
	m.counters = []sli.Counter{
		{What: sli.CountResults, Check: "shop", Region: "tokyo", Outcome: "down", Reason: "timeout", N: 3},
		{What: sli.CountOffPlan, Check: "shop", Region: "tokyo", N: 2},
		{What: sli.CountDisagreements, Check: "shop", Region: "tokyo", N: 1},
		{What: sli.CountRejected, Reason: "poison", N: 4},
		{What: "of a later version", N: 5},
	}
	got := scrape(t, NewCollector(m))
	wantSamples(t, "arrivals", map[string]float64{
		`gaikei_results_total{check="shop",outcome="down",reason="timeout",region="tokyo"}`: 3,
		`gaikei_off_plan_results_total{check="shop",region="tokyo"}`:                        2,
		`gaikei_disagreements_total{check="shop",region="tokyo"}`:                           1,
		`gaikei_rejected_messages_total{reason="poison"}`:                                   4,
		`gaikei_sli_read_failures_total{}`:                                                  0,
	}, got)
}

func TestScrapesTogether(t *testing.T) {
	m := newMemory()
	x := good("shop", "tokyo", 10)
	x.Latency = latencies(time.Second, time.Second, time.Minute)
	m.counts = counted(x)
	c := NewCollector(m)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			wantSamples(t, "together", verdicts("shop", "tokyo", 10, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
		})
	}
	g.Wait()
}

func TestMetricsPassPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("promtool is not installed; it is in the Debian package prometheus")
	case err != nil:
		t.Skip("promtool is not installed; it is in the Debian package prometheus")
	}
	m, catalog := scene()
	m.counters = []sli.Counter{{What: sli.CountResults, Check: "shop", Region: "tokyo", Outcome: "up", N: 3}}
	reg := prometheus.NewRegistry()
	x := good("shop", "tokyo", 3)
	x.Late = []sli.LateCount{{Was: "none", Verdict: "good", Slots: 2, MS: 20_000}}
	x.Latency = latencies(time.Second, time.Second)
	m.counts = counted(x)
	reg.MustRegister(NewCollector(m))
	s := serve(t, m, catalog, func(o *Options) { o.Gatherer = reg })
	text := get(t, s.URL+"/metrics")
	for _, part := range []string{
		`gaikei_build_info{goversion="go`, `version="v1.2.3"} 1`, `gaikei_sli_slots_total{check="shop",region="tokyo",verdict="none"}`,
		`gaikei_latency_seconds_bucket{check="shop",region="tokyo",le="0.999999999"} 0`,
		`gaikei_sli_late_slots_total{check="shop",region="tokyo",verdict="good",was="none"} 2`,
	} {
		contains(t, "/metrics", text, part)
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestMetricsInOpenMetrics(t *testing.T) {
	s := serve(t, newMemory(), nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeOpenMetrics)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text") {
		t.Errorf("content type %q, want OpenMetrics", got)
	}
}
