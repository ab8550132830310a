// Package otlp sends what a Prometheus Gatherer has to a receiver of the OpenTelemetry protocol (OTLP), by HTTP or gRPC.
// The OpenTelemetry SDK, its bridge from Prometheus and its exporters stay hidden in here.
//
// What is sent is what the Gatherer says at that moment: counters as cumulative, monotonic sums that began with the process,
// gauges, and classic histograms with their buckets. A value that is undefined (NaN) is no number and is left out.
//
// Nothing runs by itself: a Sender sends when it is told to and as long as it is allowed to. The SDK's periodic reader is
// not used, since it tells of failures through a variable of the whole process and starts when it is made. Nothing is taken
// from variables named OTEL_…: what is sent where is what the configuration says.
package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// A Protocol is how a receiver is spoken to.
type Protocol uint8

// The protocols: protobuf over HTTP, and gRPC.
const (
	HTTP Protocol = iota
	GRPC
)

// Options say what is sent where.
type Options struct {
	// URL is absolute, with http (in clear) or https (TLS). With HTTP, metricsPath is added to its path unless it is there;
	// with GRPC it has a port and no path.
	URL      string
	Protocol Protocol
	// TLS is how https is spoken; nil trusts the system's authorities.
	TLS *tls.Config
	// Timeout is for how long a sending is tried again; what Send may take is for its context to say.
	Timeout   time.Duration
	UserAgent string
	// Resource describes who sends, by attribute.
	Resource map[string]string
	Gatherer prometheus.Gatherer
	// Wants tells whether a family of metrics is sent, by its name; nil: all are.
	Wants func(family string) bool
}

// metricsPath is where the protocol has metrics go.
const metricsPath = "/v1/metrics"

// A Sender sends to one receiver. It is for one goroutine at a time.
type Sender struct {
	o        Options
	url      *url.URL
	resource *resource.Resource

	headers  map[string]string // that exporter sends
	exporter exporter          // nil: none is open
	web      *client           // of exporter, with HTTP
}

// An exporter is what both of the SDK's are.
type exporter interface {
	Export(context.Context, *metricdata.ResourceMetrics) error
	Shutdown(context.Context) error
}

// New makes a Sender, which must be closed. It connects to nobody yet.
func New(o Options) (*Sender, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("send metrics: want a URL with http or https")
	}
	if o.Protocol == HTTP && !strings.HasSuffix(u.Path, metricsPath) {
		u = u.JoinPath(metricsPath)
	}
	var attributes []attribute.KeyValue
	for _, name := range slices.Sorted(maps.Keys(o.Resource)) {
		attributes = append(attributes, attribute.String(name, o.Resource[name]))
	}
	return &Sender{o: o, url: u, resource: resource.NewSchemaless(attributes...)}, nil
}

// Send gathers, and sends what is wanted with these headers, in as many requests as it takes, until ctx ends. A request that
// failed does not keep the next one back; the error tells of the first, in words that may be the receiver's.
func (s *Sender) Send(ctx context.Context, headers map[string]string) error {
	scopes, err := s.gather(ctx)
	if err != nil {
		return err
	}
	if err := s.open(ctx, headers); err != nil {
		return err
	}
	var first error
	failed, rs := 0, requests(scopes)
	for _, r := range rs {
		err := s.exporter.Export(ctx, &metricdata.ResourceMetrics{Resource: s.resource, ScopeMetrics: r})
		if err != nil {
			failed++
		}
		if first == nil && err != nil {
			first = s.described(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if first != nil {
		return fmt.Errorf("%d of %d requests: %w", failed, len(rs), first)
	}
	return nil
}

// described adds the status of the answer, which the SDK's errors of HTTP mostly leave out.
func (s *Sender) described(err error) error {
	if s.web != nil && s.web.status != "" {
		return fmt.Errorf("got %s: %w", s.web.status, err)
	}
	return err
}

// gather returns what is wanted as OpenTelemetry has it. What /metrics could not show is not sent either.
func (s *Sender) gather(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	families, err := s.o.Gatherer.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather metrics: %w", err)
	}
	if s.o.Wants != nil {
		families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return !s.o.Wants(f.GetName()) })
	}
	for _, f := range families {
		onlyClassic(f)
	}
	known := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	scopes, err := bridge.NewMetricProducer(bridge.WithGatherer(known)).Produce(ctx)
	if err != nil {
		return nil, fmt.Errorf("convert metrics: %w", err)
	}
	return scopes, nil
}

// onlyClassic leaves of histograms that are both what has the bounds of thresholds, which an exponential one lacks.
func onlyClassic(f *dto.MetricFamily) {
	for _, m := range f.GetMetric() {
		if h := m.GetHistogram(); len(h.GetBucket()) > 0 {
			m.Histogram = &dto.Histogram{SampleCount: h.SampleCount, SampleSum: h.SampleSum, Bucket: h.Bucket, CreatedTimestamp: h.CreatedTimestamp}
		}
	}
}

// open makes the exporter, and another one when the headers are others: the SDK's keep theirs.
func (s *Sender) open(ctx context.Context, headers map[string]string) error {
	if s.exporter != nil && maps.Equal(s.headers, headers) {
		return nil
	}
	s.Close()
	var err error
	switch s.o.Protocol {
	case GRPC:
		s.exporter, err = s.openGRPC(ctx, headers)
	default:
		s.exporter, err = s.openHTTP(ctx, headers)
	}
	if err != nil {
		s.exporter = nil
		return fmt.Errorf("prepare for %s: %w", s.url.Host, err)
	}
	s.headers = maps.Clone(headers)
	return nil
}

// Waits between attempts to send the same again; with jitter, by the SDK.
const (
	retryFirst = 300 * time.Millisecond
	retryMost  = 5 * time.Second
)

// openHTTP sets every option: one that is left out is taken from the environment.
func (s *Sender) openHTTP(ctx context.Context, headers map[string]string) (exporter, error) {
	s.web = newClient(s.o.TLS)
	all := map[string]string{"User-Agent": s.o.UserAgent}
	maps.Copy(all, headers)
	return otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(s.url.String()),
		otlpmetrichttp.WithHTTPClient(s.web.http()),
		otlpmetrichttp.WithTLSClientConfig(nil), // the client has it
		otlpmetrichttp.WithHeaders(all),
		otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression),
		otlpmetrichttp.WithTimeout(0), // the context's
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: s.o.Timeout,
		}))
}

// openGRPC sets every option, too.
func (s *Sender) openGRPC(ctx context.Context, headers map[string]string) (exporter, error) {
	transport := insecure.NewCredentials()
	if s.url.Scheme == "https" {
		transport = credentials.NewTLS(s.o.TLS)
	}
	return otlpmetricgrpc.New(ctx,
		otlpmetricgrpc.WithEndpoint(s.url.Host),
		otlpmetricgrpc.WithTLSCredentials(transport),
		otlpmetricgrpc.WithDialOption(grpc.WithUserAgent(s.o.UserAgent), grpc.WithDisableServiceConfig()),
		otlpmetricgrpc.WithHeaders(maps.Clone(headers)),
		otlpmetricgrpc.WithCompressor("gzip"),
		otlpmetricgrpc.WithTimeout(0), // the context's
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: s.o.Timeout,
		}))
}

// Close gives connections back. What was sent is sent; nothing is held here.
func (s *Sender) Close() {
	if s.exporter == nil {
		return
	}
	_ = s.exporter.Shutdown(context.Background()) // closes a connection, and waits for nobody
	if s.web != nil {
		s.web.transport.CloseIdleConnections()
	}
	s.exporter, s.web = nil, nil
}

// A client speaks HTTP to the receiver and to nobody else: headers hold credentials, which a redirect could have sent to
// another host. It remembers how the last answer began, unless that was a success.
type client struct {
	transport *http.Transport
	status    string
}

func newClient(config *tls.Config) *client {
	return &client{transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     config.Clone(),
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}}
}

func (c *client) http() *http.Client {
	return &http.Client{
		Transport:     c,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip implements http.RoundTripper.
func (c *client) RoundTrip(r *http.Request) (*http.Response, error) {
	c.status = ""
	resp, err := c.transport.RoundTrip(r)
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		c.status = resp.Status
	}
	return resp, err
}
