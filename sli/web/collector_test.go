package web

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
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

// lag is how far as_of is behind now.
const lag = budget + 15*time.Second

func TestCountersAreBornAtZeroAndCountASlotOnce(t *testing.T) {
	m := newMemory()
	l := m.follow("shop", "tokyo", noon.Add(-time.Hour), time.Minute)
	l.fill(noon.Add(-time.Hour), noon, up(40*time.Millisecond))
	l.record(noon, up(40*time.Millisecond), notUp(sli.Down, probe.Timeout), notUp(sli.Inconclusive, probe.NoVouch), notUp(sli.Missed, probe.Late))
	c := newCollector(m, func() time.Time { return m.now })

	const slots, seconds = "gaikei_sli_slots_total", "gaikei_sli_seconds_total"
	wantSamples(t, "born", verdicts("shop", "tokyo", 0, 0, 0, 0), only(scrape(t, c), slots))
	m.now = noon.Add(lag) // as_of is noon, whose slot is not settled yet
	wantSamples(t, "nothing settled", verdicts("shop", "tokyo", 0, 0, 0, 0), only(scrape(t, c), slots))
	m.now = noon.Add(lag + time.Second)
	wantSamples(t, "one settled", verdicts("shop", "tokyo", 1, 0, 0, 0), only(scrape(t, c), slots))
	wantSamples(t, "the same again", verdicts("shop", "tokyo", 1, 0, 0, 0), only(scrape(t, c), slots))
	m.now = noon.Add(lag + 5*time.Minute)
	after := scrape(t, c) // down, inconclusive, missed and no data have settled
	wantSamples(t, "five settled", verdicts("shop", "tokyo", 1, 1, 3, 0), only(after, slots))
	wantSamples(t, "their time", verdicts("shop", "tokyo", 60, 60, 180, 0), only(after, seconds))
	wantSamples(t, "the prober's", map[string]float64{`{region="tokyo",verdict="good"}`: 120, `{region="tokyo",verdict="bad"}`: 180}, only(after, "gaikei_prober_sli_seconds_total"))

	l.record(noon.Add(4*time.Minute), up(time.Millisecond))
	wantSamples(t, "what comes late is not counted", verdicts("shop", "tokyo", 1, 1, 3, 0), only(scrape(t, c), slots))
}

func TestCountingStartsAtTheMaking(t *testing.T) {
	m := newMemory()
	m.follow("shop", "tokyo", noon.Add(-time.Hour), 10*time.Second).fill(noon.Add(-time.Hour), noon.Add(time.Minute), up(time.Millisecond))
	c := newCollector(m, func() time.Time { return m.now })
	m.now = noon.Add(time.Minute)
	wantSamples(t, "born at 0 although six have settled since", verdicts("shop", "tokyo", 0, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
	wantSamples(t, "they come with the next scrape", verdicts("shop", "tokyo", 6, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
	wantSamples(t, "and only with that", verdicts("shop", "tokyo", 6, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
}

func TestASeriesThatComesLaterIsBornAtZeroToo(t *testing.T) {
	m := newMemory()
	c := newCollector(m, func() time.Time { return m.now })
	wantSamples(t, "no series", map[string]float64{}, only(scrape(t, c), "gaikei_sli_slots_total"))
	m.follow("shop", "tokyo", noon, time.Minute).fill(noon, noon.Add(time.Hour), up(time.Millisecond))
	m.now = noon.Add(lag + 10*time.Minute)
	wantSamples(t, "born", verdicts("shop", "tokyo", 0, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
	m.now = noon.Add(lag + 11*time.Minute)
	wantSamples(t, "nothing is lost", verdicts("shop", "tokyo", 11, 0, 0, 0), only(scrape(t, c), "gaikei_sli_slots_total"))
}

func TestExcludedSlotsAreCountedApart(t *testing.T) {
	m := newMemory()
	m.follow("shop", "tokyo", noon.Add(-time.Hour), time.Minute).fill(noon.Add(-time.Hour), noon.Add(time.Hour), up(time.Millisecond))
	m.spans["shop"] = []sli.Span{{From: noon.UnixMilli(), To: noon.Add(4 * time.Minute).UnixMilli(), Effect: sli.InMaintenance}}
	c := newCollector(m, func() time.Time { return m.now })
	scrape(t, c)
	m.now = noon.Add(lag + 10*time.Minute)
	got := scrape(t, c)
	wantSamples(t, "slots", verdicts("shop", "tokyo", 6, 0, 0, 4), only(got, "gaikei_sli_slots_total"))
	wantSamples(t, "probing goes on", map[string]float64{`{region="tokyo",verdict="good"}`: 600, `{region="tokyo",verdict="bad"}`: 0}, only(got, "gaikei_prober_sli_seconds_total"))
}

func TestLatencyHistogram(t *testing.T) {
	m := newMemory()
	l := m.follow("shop", "tokyo", noon.Add(-time.Hour), 10*time.Second)
	l.fill(noon.Add(-time.Hour), noon.Add(-lag), up(9*time.Second)) // settled before
	l.record(noon, up(40*time.Millisecond), up(280*time.Millisecond), notUp(sli.Down, probe.Timeout), up(20*time.Second))
	c := newCollector(m, func() time.Time { return m.now })
	scrape(t, c)
	m.now = noon.Add(lag + time.Hour)
	got := only(scrape(t, c), "gaikei_latency_seconds")
	const name = `{check="shop",region="tokyo"}`
	for at, want := range map[string]float64{"le 0.03": 0, "le 0.05": 1, "le 0.2": 1, "le 0.3": 2, "le 10.5": 2, "count": 3} {
		if got[name+" "+at] != want {
			t.Errorf("%s: %v, want %v", at, got[name+" "+at], want)
		}
	}
	if sum := got[name+" sum"]; math.Abs(sum/20.32-1) > .01 {
		t.Errorf("sum %v s, want 20.32 within 1 %%", sum)
	}
}

// A shorter interval puts more slots after the report than its cells let think.
func TestLatenciesAreFoundHoweverFarBack(t *testing.T) {
	m := newMemory()
	m.follow("shop", "tokyo", noon.Add(-time.Hour), time.Second).fill(noon.Add(-time.Hour), noon.Add(time.Hour), up(time.Millisecond))
	c := newCollector(m, func() time.Time { return m.now })
	r := sli.Report{Check: "shop", Region: new("tokyo"), From: noon.Add(-30 * time.Minute), To: noon.Add(-29 * time.Minute)}
	var got totals
	if err := c.latencies(t.Context(), &got, &r, 2); err != nil {
		t.Fatal(err)
	}
	if got.buckets[0] != 60 {
		t.Errorf("%d latencies, want 60", got.buckets[0])
	}
}

func TestNoBoundIsAWholeNumber(t *testing.T) {
	for i, b := range latencyBounds {
		if b == math.Trunc(b) || i > 0 && b <= latencyBounds[i-1] {
			t.Errorf("bound %v: want fractions in rising order", b)
		}
	}
}

func TestAFailedReadRepeatsTheOldValues(t *testing.T) {
	m := newMemory()
	m.follow("shop", "tokyo", noon.Add(-time.Hour), time.Minute).fill(noon.Add(-time.Hour), noon.Add(time.Hour), up(time.Millisecond))
	c := newCollector(m, func() time.Time { return m.now })
	scrape(t, c)
	m.now = noon.Add(lag + 10*time.Minute)
	before := scrape(t, c)
	m.now = noon.Add(lag + 20*time.Minute)
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
	got := scrape(t, newCollector(m, func() time.Time { return noon }))
	delete(got, "gaikei_sli_as_of_timestamp_seconds{}")
	wantSamples(t, "arrivals", map[string]float64{
		`gaikei_results_total{check="shop",outcome="down",reason="timeout",region="tokyo"}`: 3,
		`gaikei_off_plan_results_total{check="shop",region="tokyo"}`:                        2,
		`gaikei_disagreements_total{check="shop",region="tokyo"}`:                           1,
		`gaikei_rejected_messages_total{reason="poison"}`:                                   4,
		`gaikei_sli_read_failures_total{}`:                                                  0,
	}, got)
}

func TestScrapesTogether(t *testing.T) {
	m, _ := scene()
	c := newCollector(m, func() time.Time { return m.now })
	scrape(t, c)
	m.now = noon.Add(lag + 30*time.Minute)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() { scrape(t, c) })
	}
	g.Wait()
	var sum float64
	for _, n := range only(scrape(t, c), "gaikei_sli_slots_total") {
		sum += n
	}
	if want := float64(len(m.order) * 60); sum != want {
		t.Errorf("%v slots counted, want %v: each once", sum, want)
	}
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
	reg.MustRegister(newCollector(m, func() time.Time { return m.now }))
	s := serve(t, m, catalog, func(o *Options) { o.Gatherer = reg })
	get(t, s.URL+"/metrics")
	m.now = noon.Add(lag + time.Minute)
	text := get(t, s.URL+"/metrics")
	for _, part := range []string{
		`gaikei_build_info{goversion="go`, `version="v1.2.3"} 1`, `gaikei_sli_slots_total{check="shop",region="tokyo",verdict="none"}`,
		`gaikei_latency_seconds_bucket{check="shop",region="tokyo",le="0.05"}`,
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
