package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"

	"github.com/gaikei/gaikei/sli"
)

// agreeing is a running Gaikei that a real Prometheus scrapes every second, and a target that plays a script.
type agreeing struct {
	*program
	prom *promServer
	data string
}

// TestPrometheusAgrees has a target be up, slow, down and up again, and asks for what that came to: Prometheus over the counters,
// the API, the command line, and the gauges. All windows are such that nobody has to estimate, so all give the same.
func TestPrometheusAgrees(t *testing.T) {
	t.Parallel()
	needPrometheus(t)
	a := playOutage(t)
	bornAtZero(t, a.series(`gaikei_sli_seconds_total{check="shop",region="here"}`), 4)
	bornAtZero(t, a.series(`gaikei_sli_slots_total{check="shop",region="here"}`), 4)
	bornAtZero(t, a.series(`gaikei_slo_seconds_total{slo="shop"}`), 4)

	t.Run("counters", func(t *testing.T) {
		first, last := a.between(`gaikei_sli_seconds_total{check="shop",region="here",verdict="good"}`, "gaikei_sli_as_of_timestamp_seconds")
		r := a.reportBetween(t, first.asOf, last.asOf)
		a.agree(t, first, last, `gaikei_sli_seconds_total{check="shop",region="here",verdict="%s"}`, r)
		a.agreeOnSlots(t, first, last, r)
		a.agreeOnLatency(t, first, last, r)
	})
	t.Run("slo", func(t *testing.T) {
		first, last := a.between(`gaikei_slo_seconds_total{slo="shop",verdict="good"}`, "gaikei_slo_as_of_timestamp_seconds")
		// It is counted every ten seconds, and the gauges are of the scrape: all that is bad is in between.
		r := a.reportBetween(t, first.asOf, last.asOf)
		if got := a.grown(`gaikei_slo_seconds_total{slo="shop",verdict="bad"}`, first, last); math.Abs(got-r.Seconds.Bad) > rounded {
			t.Errorf("the SLO's bad time grew by %v, want %v", got, r.Seconds.Bad)
		}
		if got := a.grown(`gaikei_slo_seconds_total{slo="shop",verdict="good"}`, first, last); math.Abs(got-r.Seconds.Good) > 21 {
			t.Errorf("the SLO's good time grew by %v, want %v within two counts", got, r.Seconds.Good)
		}
		// The gauges are about the SLO's window, which holds all there was.
		want := *a.reportBetween(t, last.asOf.Add(-time.Hour), last.asOf).Availability.Ratio
		if got := a.prom.value(`gaikei_slo_sli_ratio{slo="shop"}`, last.scraped); got != want {
			t.Errorf("gaikei_slo_sli_ratio is %v, want %v", got, want)
		}
		left := 1 - (1-want)/(1-0.5)
		if got := a.prom.value(`gaikei_slo_budget_remaining_ratio{slo="shop"}`, last.scraped); math.Abs(got-left) > 1e-12 {
			t.Errorf("gaikei_slo_budget_remaining_ratio is %v, want %v", got, left)
		}
	})
}

// playOutage starts all three, plays the script once slots are being counted, and waits until Prometheus has scraped what it came to.
func playOutage(t *testing.T) *agreeing {
	t.Helper()
	var asked, code, delay atomic.Int64
	target := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		select {
		case <-time.After(time.Duration(delay.Load())):
		case <-r.Context().Done():
		}
		w.WriteHeader(int(code.Load()))
	}))
	code.Store(http.StatusOK)
	a := &agreeing{data: t.TempDir() + "/data"}
	a.program = start(t, writeFile(t, t.TempDir(), "gaikei.yaml", "regions: {here: {}}\ndefaults: {interval: 300ms, timeout: 300ms}\n"+twoControls(t)+fmt.Sprintf(`checks:
  - {name: shop, http: {url: "http://%s/"}, latency: {under: 100ms}}
slos:
  - {name: shop, checks: [shop], objective: 50%%, window: 1h}
`, target)), a.data)
	looks := func(n int64) {
		enough := asked.Load() + n
		a.until("has looked often enough", func() bool { return asked.Load() >= enough })
	}
	// It begins to scrape after five seconds, and what is counted first is shown ten seconds later, as of before the script.
	a.prom = startPrometheus(t, t.TempDir(), fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: gaikei, static_configs: [{targets: [%q]}]}]\n", a.listen))
	a.until("has been scraped as new", func() bool {
		return len(ask[model.Vector](a.prom, `gaikei_slo_seconds_total{verdict="good"}`, time.Now())) == 1 &&
			len(ask[model.Vector](a.prom, "gaikei_sli_as_of_timestamp_seconds", time.Now())) == 1
	})
	for _, act := range []struct {
		code  int64
		delay time.Duration
		looks int64
	}{{http.StatusOK, 0, 2}, {http.StatusOK, 120 * time.Millisecond, 3}, {http.StatusServiceUnavailable, 0, 4}, {http.StatusOK, 0, 2}} {
		code.Store(act.code)
		delay.Store(int64(act.delay))
		looks(act.looks)
	}
	end := time.Now()
	looks(2)
	for _, gauge := range []string{"gaikei_sli_as_of_timestamp_seconds", "gaikei_slo_as_of_timestamp_seconds"} {
		a.until("has been scraped with all of it", func() bool {
			v := ask[model.Vector](a.prom, gauge, time.Now())
			return len(v) == 1 && instant(v[0].Value).After(end)
		})
	}
	bad := func() float64 { return a.prom.value(`gaikei_slo_seconds_total{verdict="bad"}`, time.Now()) }
	a.until("has counted all of it for the SLO", func() bool {
		return bad() > 0 && bad() >= a.prom.value(`gaikei_sli_seconds_total{verdict="bad"}`, time.Now())
	})
	return a
}

func instant(seconds model.SampleValue) time.Time {
	return time.UnixMilli(int64(math.Round(1000 * float64(seconds)))).UTC()
}

// series are all samples there are of the series that a selector chooses.
func (a *agreeing) series(selector string) model.Matrix {
	a.t.Helper()
	m := ask[model.Matrix](a.prom, selector+"[10m]", time.Now())
	if len(m) == 0 {
		a.t.Fatalf("%s: Prometheus has no such series", selector)
	}
	return m
}

// bornAtZero requires that there are n series whose first sample is 0: what Prometheus first sees at another value it does not
// count as an increase.
func bornAtZero(t *testing.T, m model.Matrix, n int) {
	t.Helper()
	if len(m) != n {
		t.Errorf("got %d series, want %d: %v", len(m), n, m)
	}
	for _, s := range m {
		if s.Values[0].Value != 0 {
			t.Errorf("%v is born at %v, want 0", s.Metric, s.Values[0].Value)
		}
	}
}

// A scraping is one that Prometheus made, and up to when Gaikei then had counted.
type scraping struct{ scraped, asOf time.Time }

// between returns the first scraping of a series in which it was more than 0, and the last one.
func (a *agreeing) between(counter, gauge string) (first, last scraping) {
	a.t.Helper()
	s := a.series(counter)[0]
	for s.Values[0].Value == 0 && len(s.Values) > 1 {
		s.Values = s.Values[1:]
	}
	at := func(p model.SamplePair) scraping {
		return scraping{p.Timestamp.Time(), instant(model.SampleValue(a.prom.value(gauge, p.Timestamp.Time())))}
	}
	return at(s.Values[0]), at(s.Values[len(s.Values)-1])
}

// reportBetween asks the API and the command line, which say the same.
func (a *agreeing) reportBetween(t *testing.T, from, to time.Time) *sli.Report {
	t.Helper()
	window := []string{from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano)}
	_, body := a.get("/api/v1/sli?" + url.Values{"check": {"shop"}, "from": window[:1], "to": window[1:]}.Encode())
	var list struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != 2 {
		t.Fatalf("the API, from %v: %v: %s", window, err, body)
	}
	code, out, errs := gaikei(t, "sli", "--server", "http://"+a.listen, "--check", "shop", "--from", window[0], "--to", window[1], "-o", "json")
	var told []sli.Report
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != exitFine {
		t.Fatalf("gaikei sli, from %v: exit code %d, %v: %s", window, code, err, errs)
	}
	if d := cmp.Diff(list.Items, told, cmpopts.IgnoreFields(sli.Report{}, "AsOf")); d != "" {
		t.Errorf("from %v (-API +command line):\n%s", window, d)
	}
	r := &list.Items[0]
	if !r.Settled || r.Slots.Good < 4 || r.Slots.Bad < 3 {
		t.Fatalf("from %v: got %+v, settled %v, want the whole script", window, r.Slots, r.Settled)
	}
	return r
}

// grown is by how much a counter grew.
func (a *agreeing) grown(counter string, first, last scraping) float64 {
	return a.prom.value(counter, last.scraped) - a.prom.value(counter, first.scraped)
}

// rounded is how far apart two figures may be since Prometheus adds up seconds, in binary fractions.
const rounded = 1e-9

// agree compares the growth of a counter of seconds with a report.
func (a *agreeing) agree(t *testing.T, first, last scraping, counter string, r *sli.Report) {
	t.Helper()
	grown := func(verdict string) string {
		s := fmt.Sprintf(counter, verdict)
		return fmt.Sprintf("(%s - %s offset %dms)", s, s, last.scraped.Sub(first.scraped).Milliseconds())
	}
	for verdict, want := range map[string]float64{"good": r.Seconds.Good, "bad": r.Seconds.Bad, "none": r.Seconds.Undecided, "excluded": r.Seconds.Excluded} {
		if got := a.prom.value(grown(verdict), last.scraped); math.Abs(got-want) > rounded {
			t.Errorf("%s grew by %v, want %v", fmt.Sprintf(counter, verdict), got, want)
		}
	}
	good, bad := grown("good"), grown("bad")
	ratio := fmt.Sprintf("%s / ignoring (verdict) (%s + ignoring (verdict) %s)", good, good, bad)
	if got := a.prom.value(ratio, last.scraped); math.Abs(got-*r.Availability.Ratio) > rounded {
		t.Errorf("%s is %v, want %v", ratio, got, *r.Availability.Ratio)
	}
	// As users ask, with what Prometheus extrapolates: its factor is the same for all verdicts.
	increase := func(verdicts string) string {
		s := strings.Replace(fmt.Sprintf(counter, verdicts), `verdict="`, `verdict=~"`, 1)
		return fmt.Sprintf("sum(increase(%s[%dms]))", s, last.scraped.Sub(first.scraped).Milliseconds())
	}
	ratio = increase("good") + " / " + increase("good|bad")
	if got := a.prom.value(ratio, last.scraped); math.Abs(got-*r.Availability.Ratio) > 0.01 {
		t.Errorf("%s is %v, want %v within a hundredth", ratio, got, *r.Availability.Ratio)
	}
}

func (a *agreeing) agreeOnSlots(t *testing.T, first, last scraping, r *sli.Report) {
	t.Helper()
	none := r.Slots.Inconclusive + r.Slots.Missed + r.Slots.NoData
	for verdict, want := range map[string]int64{"good": r.Slots.Good, "bad": r.Slots.Bad, "none": none, "excluded": r.Slots.Excluded} {
		s := fmt.Sprintf(`gaikei_sli_slots_total{check="shop",region="here",verdict="%s"}`, verdict)
		if got := a.prom.value(s, last.scraped) - a.prom.value(s, first.scraped); got != float64(want) {
			t.Errorf("%s grew by %v, want %d", s, got, want)
		}
	}
}

// agreeOnLatency compares the histogram, whose bounds have the threshold among them, with the latency SLI.
func (a *agreeing) agreeOnLatency(t *testing.T, first, last scraping, r *sli.Report) {
	t.Helper()
	grew := func(s string) float64 {
		return a.prom.value(s, last.scraped) - a.prom.value(s, first.scraped)
	}
	count := grew(`gaikei_latency_seconds_count{check="shop",region="here"}`)
	if count != float64(r.Outcomes.Up) {
		t.Errorf("the histogram counted %v latencies, want those of %d up slots", count, r.Outcomes.Up)
	}
	bounds := a.series(`gaikei_latency_seconds_bucket{check="shop",region="here"}`)
	if !slices.ContainsFunc(bounds, func(s *model.SampleStream) bool { return s.Metric["le"] == "0.1" }) {
		t.Fatalf("no bucket ends at the threshold of 0.1: %v", bounds)
	}
	// Bad slots took for ever. One at the threshold may be on either side of it in the histogram, which is within 1 %.
	under := grew(`gaikei_latency_seconds_bucket{check="shop",region="here",le="0.1"}`)
	all := float64(r.Latency.Count)
	if r.Latency.Ratio == nil || math.Abs(under/all-*r.Latency.Ratio) > 1.5/all || under == 0 || under == count {
		t.Errorf("%v of %v are under the threshold, want %v of them, and neither none nor all that were up (%v)", under, all, r.Latency.Ratio, count)
	}
}
