package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/internal/otlptest"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/export/otlp"
)

// silence returns an address that takes connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// sloGauges are the samples of an exposition, or of a request, that say how SLOs stand, with the instant they are of.
func sloGauges(samples map[string]float64) map[string]float64 {
	gauges := map[string]float64{}
	for name, v := range samples {
		if strings.HasPrefix(name, "gaikei_slo_") && !strings.Contains(name, "_total") && !math.IsNaN(v) {
			gauges[name] = v
		}
	}
	return gauges
}

// shownSamples reads what /metrics shows, by name and labels.
func (p *program) shownSamples() map[string]float64 {
	samples := map[string]float64{}
	_, text := p.get("/metrics")
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			samples[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
		}
	}
	return samples
}

// TestFeeds: what a running program sends is what it shows; a receiver that hangs delays neither the other, nor a probe, nor
// the end; and another receiver is sent to after a reload.
func TestFeeds(t *testing.T) {
	t.Parallel()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ready") })
	first, second := otlptest.HTTP(t, otlptest.Plain), otlptest.GRPC(t, otlptest.TLS)
	text := "regions: {here: {}}\n" + twoControls(t) + fmt.Sprintf(`
checks: [{name: shop, interval: 1s, timeout: 400ms, http: {url: "http://%s/"}, latency: {under: 300ms}}]
slos: [{name: shop, checks: shop, objective: 99%%, window: 1h}]
feeds:
  otlp:
`, listenOn(t, "127.0.0.1", ok))
	feed := func(name, url, more string) string {
		return fmt.Sprintf("    - {name: %s, url: %q, every: 2s, timeout: 2s%s}\n", name, url, more)
	}
	header := `, headers: {Mackerel-Api-Key: "${env:GAIKEI_SECRET_FEED}"}`
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", text+feed("back", first.URL, header)+feed("stuck", "http://"+silence(t), header))
	p := start(t, path, dir+"/data", "env", "GAIKEI_SECRET_FEED=s3cret-key")

	p.until("has sent an SLO's figures as it shows them", func() bool {
		rs := first.Requests()
		if len(rs) == 0 {
			return false
		}
		shown, sent := sloGauges(p.shownSamples()), sloGauges(otlptest.Samples(rs[len(rs)-1].Metrics))
		const asOf = "gaikei_slo_as_of_timestamp_seconds"
		if _, defined := sent[`gaikei_slo_sli_ratio{slo="shop"}`]; !defined || shown[asOf] != sent[asOf] {
			return false // not yet, or not of one instant
		}
		if d := cmp.Diff(shown, sent); d != "" {
			t.Errorf("-shown +sent:\n%s", d)
		}
		return true
	})
	p.sentWell(first.Requests())
	shown := p.shownSamples()
	if shown[`gaikei_feed_failures_total{feed="stuck"}`] == 0 || shown[`gaikei_feed_last_success_timestamp_seconds{feed="stuck"}`] != 0 ||
		shown[`gaikei_feed_last_success_timestamp_seconds{feed="back"}`] == 0 {
		t.Errorf("want failures of stuck and successes of back only, got %v", shown)
	}

	ca := strings.ReplaceAll("|\n"+strings.TrimSpace(second.CA), "\n", "\n        ")
	p.reloadFile(path, text+feed("hung", "http://"+silence(t), "")+
		fmt.Sprintf("    - name: back\n      url: %s\n      protocol: grpc\n      every: 2s\n      timeout: 2s\n      ca: %s\n", second.URL, ca))
	p.until("sends to the second", func() bool { return len(second.Requests()) >= 2 })
	n := len(first.Requests())
	p.until("goes on sending to the second", func() bool { return len(second.Requests()) >= 4 })
	if more := len(first.Requests()) - n; more != 0 {
		t.Errorf("the first receiver got %d more requests after the reload", more)
	}
	if shown := p.shownSamples(); shown[`gaikei_feed_failures_total{feed="hung"}`] == 0 {
		t.Errorf("want failures of hung, got %v", shown)
	} else if _, there := shown[`gaikei_feed_failures_total{feed="stuck"}`]; there {
		t.Error("the feed that was removed is still counted")
	}

	stopped := time.Now()
	p.stop()
	rs := second.Requests()
	if last := otlptest.Each(rs[len(rs)-1].Metrics)[0].GetHistogram(); last == nil || last.DataPoints[0].TimeUnixNano < uint64(stopped.UnixNano()) {
		t.Errorf("the last that was sent is %v, want the histogram of latencies, of after %v", last, stopped)
	}
	log := p.log.String()
	for _, words := range []string{`msg="figures are not sent" feed=stuck`, `msg="figures are not sent" feed=hung`} {
		if strings.Count(log, words) != 1 {
			t.Errorf("the log has not %q once", words)
		}
	}
	if strings.Contains(log, "s3cret-key") {
		t.Error("the log shows the secret")
	}
	for _, s := range slotsOf(t, p.data, "shop", "here") {
		if at := time.UnixMilli(s.At); s.Outcome == sli.Missed && at.Before(stopped) {
			t.Errorf("the slot at %v was missed (%s): a feed delayed it", at, s.Reason)
		}
	}
}

// sentWell requires of all that was sent that it has the header, says who sends, is counted from one instant on and never
// back, and is numbers only, also while nothing was valid yet.
func (p *program) sentWell(rs []otlptest.Request) {
	p.t.Helper()
	before, undefined, starts := map[string]float64{}, false, map[uint64]bool{}
	for _, r := range rs {
		if r.Header["mackerel-api-key"] != "s3cret-key" || r.Encoding != "gzip" {
			p.t.Errorf("got headers %v", r.Header)
		}
		who := otlptest.Resource(r.Metrics)
		if _, port, _ := net.SplitHostPort(p.listen); who["service.name"] != "gaikei" || who["service.version"] == "" || !strings.HasSuffix(who["service.instance.id"], ":"+port) {
			p.t.Errorf("got resource %v, want one whose instance ends in :%s", who, port)
		}
		samples := otlptest.Samples(r.Metrics)
		_, objective := samples[`gaikei_slo_objective_ratio{slo="shop"}`]
		_, ratio := samples[`gaikei_slo_sli_ratio{slo="shop"}`]
		undefined = undefined || objective && !ratio
		for name, v := range samples {
			if math.IsNaN(v) || !strings.HasPrefix(name, "gaikei_") || strings.Contains(name, "_total") && v < before[name] {
				p.t.Errorf("%s was sent as %v, and before as %v", name, v, before[name])
			}
		}
		before = samples
		for _, m := range otlptest.Each(r.Metrics) {
			for _, point := range m.GetSum().GetDataPoints() {
				starts[point.StartTimeUnixNano] = true
			}
		}
	}
	if !undefined || len(starts) != 1 || starts[0] {
		p.t.Errorf("sent while the SLO was undefined: %v; counted from %d instants; want yes, and one", undefined, len(starts))
	}
	if got := before[`gaikei_sli_slots_total{check="shop",region="here",verdict="good"}`]; got == 0 || before[`gaikei_latency_seconds_bucket{check="shop",region="here",le="0.3"}`] == 0 {
		p.t.Errorf("got %v good slots, and %v; want some, and the bucket of the threshold", got, before)
	}
}

// TestFeedTrouble: trouble is told when it begins and when it is over, and never with what a header holds, though the
// receiver repeats it.
func TestFeedTrouble(t *testing.T) {
	status := http.StatusForbidden
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		if status != http.StatusOK {
			fmt.Fprintf(w, "what is %s, or %q, or %v?", r.Header.Get("Api-Key"), r.Header.Get("Api-Key"), r.Header)
		}
	}))
	defer srv.Close()
	file, err := config.Parse("gaikei.yaml", fmt.Appendf(nil, "regions: {a: {}}\ncontrols: {preset: root-dns}\nchecks: []\nfeeds: {otlp: [{name: back, url: %q, "+
		"headers: {Api-Key: '${env:GAIKEI_SECRET_KEY}', X-Written: written-out, Accept: '*/*'}}]}\n", srv.URL), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg, log := prometheus.NewRegistry(), &syncBuffer{}
	all := newFeeds(srv.Listener.Addr(), secretsIn(""), slog.New(slog.NewTextHandler(log, nil)))
	all.metrics = reg
	reg.MustRegister(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gaikei_slo_as_of_timestamp_seconds"}, func() float64 { return 1 }))
	all.change(nil, file.Feeds.OTLP)
	one := all.feed(file.Feeds.OTLP[0])
	sender, err := otlp.New(one.options())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	step := func(name string, failed float64, lines int, words string) {
		t.Helper()
		one.once(t.Context(), sender, 5*time.Second)
		families, err := reg.Gather()
		if err != nil || families[0].GetMetric()[0].GetCounter().GetValue() != failed {
			t.Errorf("%s: got %v, error %v, want %v failures", name, families, err, failed)
		}
		if text := log.String(); strings.Count(text, "\n") != lines || !strings.Contains(text, words) {
			t.Errorf("%s: want %d lines with %q, got:\n%s", name, lines, words, text)
		}
	}
	step("no secret", 1, 1, "header Api-Key")
	t.Setenv("GAIKEI_SECRET_KEY", `s3cret "key" of mine`)
	step("still trouble", 2, 1, "header Api-Key")
	status = http.StatusOK
	step("over", 2, 2, "figures are sent again")
	status = http.StatusForbidden
	step("again", 3, 3, "403")
	if text := log.String(); strings.Contains(text, "s3cret") || strings.Contains(text, "written-out") || !strings.Contains(text, "redacted") {
		t.Errorf("the log shows what headers hold, or does not say that it does not:\n%s", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	one.once(ctx, sender, time.Second)
	if families, err := reg.Gather(); err != nil || families[0].GetMetric()[0].GetCounter().GetValue() != 3 {
		t.Errorf("what was cut off was counted: %v, error %v", families, err)
	}
}
