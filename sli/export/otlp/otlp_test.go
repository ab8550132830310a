package otlp

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/gaikei/gaikei/internal/otlptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// figures are metrics of each type that Gaikei has.
type figures struct {
	*prometheus.Registry
	seconds *prometheus.CounterVec
	budget  *prometheus.GaugeVec
	latency *prometheus.HistogramVec
}

func newFigures() *figures {
	f := &figures{
		Registry: prometheus.NewRegistry(),
		seconds:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gaikei_sli_seconds_total", Help: "Time by verdict."}, []string{"check", "verdict"}),
		budget:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gaikei_slo_budget_remaining_ratio", Help: "What is left."}, []string{"slo"}),
		latency:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gaikei_latency_seconds", Help: "Latency.", Buckets: []float64{.1, .3, 1.5}}, []string{"check"}),
	}
	f.MustRegister(f.seconds, f.budget, f.latency, prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "gaikei_slo_sli_ratio", Help: "Nothing is valid yet."}, math.NaN))
	f.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "go_goroutines", Help: "Of the process."}, func() float64 { return 7 }))
	f.seconds.WithLabelValues("shop", "good").Add(90)
	f.seconds.WithLabelValues("shop", "bad")
	f.budget.WithLabelValues("shop").Set(-0.25)
	f.budget.WithLabelValues("zone").Set(math.NaN())
	for _, x := range []float64{.05, .2, .3, 1, 2} {
		f.latency.WithLabelValues("shop").Observe(x)
	}
	return f
}

// shown is what /metrics would show of what is sent: all of Gaikei's own that is a number.
func (f *figures) shown(t *testing.T) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(f, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	all := map[string]float64{}
	for s := bufio.NewScanner(w.Body); s.Scan(); {
		i := strings.LastIndexByte(s.Text(), ' ')
		if !strings.HasPrefix(s.Text(), "gaikei_") {
			continue
		}
		v, err := strconv.ParseFloat(s.Text()[i+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		if !math.IsNaN(v) {
			all[s.Text()[:i]] = v
		}
	}
	return all
}

func ours(family string) bool { return strings.HasPrefix(family, "gaikei_") }

// open makes a Sender to a receiver, which is closed with the test.
func open(t *testing.T, r *otlptest.Receiver, p Protocol, g prometheus.Gatherer) *Sender {
	t.Helper()
	o := Options{
		URL: r.URL, Protocol: p, Timeout: 5 * time.Second, UserAgent: "Gaikei/test", Gatherer: g, Wants: ours,
		Resource: map[string]string{"service.name": "gaikei", "service.instance.id": "a:1"},
	}
	if r.CA != "" {
		o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		o.TLS.RootCAs.AppendCertsFromPEM([]byte(r.CA))
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ways are the receivers there are.
func ways(t *testing.T) map[string]struct {
	Protocol
	*otlptest.Receiver
} {
	return map[string]struct {
		Protocol
		*otlptest.Receiver
	}{
		"http": {HTTP, otlptest.HTTP(t, otlptest.Plain)}, "https": {HTTP, otlptest.HTTP(t, otlptest.TLS)},
		"grpc": {GRPC, otlptest.GRPC(t, otlptest.Plain)}, "grpcs": {GRPC, otlptest.GRPC(t, otlptest.TLS)},
	}
}

// TestSend: what arrives is what /metrics shows, with the headers, by either protocol.
func TestSend(t *testing.T) {
	for name, way := range ways(t) {
		f := newFigures()
		s := open(t, way.Receiver, way.Protocol, f)
		for i := range 2 {
			f.seconds.WithLabelValues("shop", "bad").Add(30)
			if err := s.Send(t.Context(), map[string]string{"Mackerel-Api-Key": fmt.Sprint("key", i)}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			rs := way.Requests()
			if len(rs) != i+1 {
				t.Fatalf("%s: got %d requests, want %d", name, len(rs), i+1)
			}
			r := rs[i]
			if d := cmp.Diff(f.shown(t), otlptest.Samples(r.Metrics)); d != "" {
				t.Errorf("%s: -metrics +sent:\n%s", name, d)
			}
			if way.Protocol == HTTP && r.Path != "/v1/metrics" {
				t.Errorf("%s: sent to %s, want /v1/metrics", name, r.Path)
			}
			if got := r.Header["mackerel-api-key"]; got != fmt.Sprint("key", i) || r.Encoding != "gzip" || !strings.HasPrefix(r.Header["user-agent"], "Gaikei/test") {
				t.Errorf("%s: got key %q, encoding %q, headers %v; want those of sending %d, and gzip", name, got, r.Encoding, r.Header, i)
			}
			if d := cmp.Diff(map[string]string{"service.name": "gaikei", "service.instance.id": "a:1"}, otlptest.Resource(r.Metrics)); d != "" {
				t.Errorf("%s: resource (-want +got):\n%s", name, d)
			}
		}
		began(t, name, way.Requests())
	}
}

// began requires of counters and histograms that they are cumulative, each from one instant on before all sendings.
func began(t *testing.T, name string, rs []otlptest.Request) {
	t.Helper()
	starts := map[string]uint64{}
	note := func(m *metrics.Metric, cumulative metrics.AggregationTemporality, start, at uint64) {
		if before, again := starts[m.Name]; start == 0 || start > at || again && start != before {
			t.Errorf("%s: %s at %d began at %d, and before at %d", name, m.Name, at, start, before)
		}
		if starts[m.Name] = start; cumulative != metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
			t.Errorf("%s: %s is %v", name, m.Name, cumulative)
		}
	}
	for _, r := range rs {
		for _, m := range otlptest.Each(r.Metrics) {
			if s := m.GetSum(); s != nil {
				note(m, s.AggregationTemporality, s.DataPoints[0].StartTimeUnixNano, s.DataPoints[0].TimeUnixNano)
				if !s.IsMonotonic {
					t.Errorf("%s: %s is not monotonic", name, m.Name)
				}
			}
			if h := m.GetHistogram(); h != nil {
				note(m, h.AggregationTemporality, h.DataPoints[0].StartTimeUnixNano, h.DataPoints[0].TimeUnixNano)
				if d := cmp.Diff([]float64{.1, .3, 1.5}, h.DataPoints[0].ExplicitBounds); d != "" {
					t.Errorf("%s: bounds (-want +got):\n%s", name, d)
				}
			}
		}
	}
	if len(starts) != 2 {
		t.Errorf("%s: got counters and histograms that began at %v, want one of each", name, starts)
	}
}

// TestNothingFromTheEnvironment: variables of other programs' OpenTelemetry say nothing about what Gaikei sends.
func TestNothingFromTheEnvironment(t *testing.T) {
	trap := otlptest.HTTP(t, otlptest.Plain)
	for name, value := range map[string]string{
		"ENDPOINT": trap.URL, "HEADERS": "stray=1", "COMPRESSION": "none", "TIMEOUT": "1", "INSECURE": "false", "CERTIFICATE": "otlp_test.go",
	} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, value)
		t.Setenv("OTEL_EXPORTER_OTLP_METRICS_"+name, value)
	}
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=stray")
	for name, way := range ways(t) {
		if err := open(t, way.Receiver, way.Protocol, newFigures()).Send(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := way.Requests()[0]
		if r.Header["stray"] != "" || r.Encoding != "gzip" || otlptest.Resource(r.Metrics)["service.name"] != "gaikei" {
			t.Errorf("%s: got headers %v, encoding %q, resource %v", name, r.Header, r.Encoding, otlptest.Resource(r.Metrics))
		}
	}
	if rs := trap.Requests(); len(rs) != 0 {
		t.Errorf("%d requests went to the variable's receiver", len(rs))
	}
}

// TestRequestsAreBounded: many series go in requests that receivers take, and all of them arrive.
func TestRequestsAreBounded(t *testing.T) {
	f := newFigures()
	for i := range 2600 {
		check := fmt.Sprintf("check-%057d", i)
		f.seconds.WithLabelValues(check, "good").Add(float64(i))
		f.latency.WithLabelValues(check).Observe(.2)
	}
	want := f.shown(t)
	for name, way := range ways(t) {
		if way.CA != "" {
			continue // makes no difference here
		}
		if err := open(t, way.Receiver, way.Protocol, f).Send(t.Context(), nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var all []*collector.ExportMetricsServiceRequest
		for _, r := range way.Requests() {
			all = append(all, r.Metrics)
			if size := proto.Size(r.Metrics); size > 4<<20 {
				t.Errorf("%s: a request has %d bytes, and receivers take 4 MiB", name, size)
			}
		}
		if len(all) != 2 {
			t.Errorf("%s: got %d requests of 5204 points, want 2", name, len(all))
		}
		if got := otlptest.Samples(all...); !maps.Equal(want, got) {
			t.Errorf("%s: got %d samples, want the %d that /metrics shows", name, len(got), len(want))
		}
	}
}

// TestPartialSuccess: what a receiver did not take of a request is a failure, and keeps the next request back as little as
// the next sending.
func TestPartialSuccess(t *testing.T) {
	for name, way := range ways(t) {
		way.Answer(&collector.ExportMetricsServiceResponse{PartialSuccess: &collector.ExportMetricsPartialSuccess{
			RejectedDataPoints: 3, ErrorMessage: "too many series",
		}})
		s := open(t, way.Receiver, way.Protocol, newFigures())
		wantError(t, name, s.Send(t.Context(), nil), "3 metric data points rejected", "too many series")
		way.Answer(nil)
		if err := s.Send(t.Context(), nil); err != nil {
			t.Errorf("%s: after partial success: %v", name, err)
		}
	}
}

func wantError(t *testing.T, name string, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got error %v, want one with %q", name, err, part)
		}
	}
}

// TestBadReceivers: whatever a receiver does, Send says what came, and ends with its context at the latest.
func TestBadReceivers(t *testing.T) {
	elsewhere := otlptest.HTTP(t, otlptest.Plain)
	for _, x := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request, end func()) // end ends the context of Send
		want   []string
	}{
		{"refuses the key", func(w http.ResponseWriter, _ *http.Request, _ func()) {
			http.Error(w, "bad key", http.StatusUnauthorized)
		}, []string{"401", "bad key"}},
		{"is not there", func(w http.ResponseWriter, r *http.Request, _ func()) { http.NotFound(w, r) }, []string{"404"}},
		{"is busy for an hour", func(w http.ResponseWriter, _ *http.Request, _ func()) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, []string{"429"}},
		{"is down", func(w http.ResponseWriter, _ *http.Request, _ func()) { w.WriteHeader(http.StatusServiceUnavailable) }, []string{"503"}},
		{"redirects", func(w http.ResponseWriter, r *http.Request, _ func()) {
			http.Redirect(w, r, elsewhere.URL+"/v1/metrics", http.StatusTemporaryRedirect)
		}, []string{"307"}},
		{"hangs", func(_ http.ResponseWriter, r *http.Request, end func()) {
			end()
			<-r.Context().Done()
		}, []string{"canceled"}},
		{"does not end", func(w http.ResponseWriter, r *http.Request, end func()) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			end()
			<-r.Context().Done()
		}, []string{"canceled"}},
		{"answers something else", func(w http.ResponseWriter, _ *http.Request, _ func()) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			io.WriteString(w, "<html>")
		}, []string{"proto"}},
	} {
		ctx, end := context.WithCancel(t.Context())
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else a server does not notice that the asker has gone
			x.answer(w, r, end)
		}))
		s := open(t, &otlptest.Receiver{URL: srv.URL}, HTTP, newFigures())
		s.o.Timeout = 100 * time.Millisecond
		wantError(t, x.name, s.Send(ctx, nil), append(x.want, "1 of 1 requests")...)
		end()
		s.Close()
		srv.Close()
	}
	if n := len(elsewhere.Requests()); n != 0 {
		t.Errorf("%d requests followed the redirect, with whatever headers there are", n)
	}
}

// TestRetry: what is soon over is no failure.
func TestRetry(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	s := open(t, &otlptest.Receiver{URL: srv.URL + "/otlp/v1/metrics"}, HTTP, newFigures())
	defer s.Close()
	if err := s.Send(t.Context(), nil); err != nil || asked.Load() != 2 {
		t.Errorf("got error %v after %d requests, want none after 2", err, asked.Load())
	}
}

// TestSilence: nobody is there, or answers a connection, or can be trusted.
func TestSilence(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, way := range ways(t) {
		scheme, _, _ := strings.Cut(way.URL, "://")
		for _, at := range []net.Addr{silent.Addr(), gone.Addr()} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			s := open(t, &otlptest.Receiver{URL: scheme + "://" + at.String(), CA: way.CA}, way.Protocol, newFigures())
			if err := s.Send(ctx, nil); err == nil {
				t.Errorf("%s to %v: want an error", name, at)
			}
			cancel()
		}
		if way.CA == "" {
			continue
		}
		s := open(t, &otlptest.Receiver{URL: way.URL}, way.Protocol, newFigures())
		s.o.Timeout = 100 * time.Millisecond
		wantError(t, name, s.Send(t.Context(), nil), "certificate")
		if rs := way.Requests(); len(rs) != 0 {
			t.Errorf("%s: %d requests went to whom nobody vouches for", name, len(rs))
		}
	}
}

// TestGatherFails: what /metrics could not show is not sent in part.
func TestGatherFails(t *testing.T) {
	r := otlptest.HTTP(t, otlptest.Plain)
	f := newFigures()
	f.MustRegister(broken{})
	wantError(t, "broken", open(t, r, HTTP, f).Send(t.Context(), nil), "gather metrics")
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// broken is a collector that gives one series twice.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(ch chan<- prometheus.Metric) {
	for range 2 {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("gaikei_twice", "", nil, nil), prometheus.GaugeValue, 1)
	}
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"", "otlp.example.com:4317", "grpc://otlp.example.com:4317", "https://", "http://[::1"} {
		if _, err := New(Options{URL: bad}); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: got error %v, want one that does not quote it", bad, err)
		}
	}
}
