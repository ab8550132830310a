package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli/export/otlp"
)

// lastSend bounds the last sending of a feed that ends, so that a receiver that hangs does not hold the process up.
const lastSend = 3 * time.Second

// feeds sends what /metrics shows to the receivers of the configuration in force. Each has a goroutine of its own, so one
// that hangs delays nothing but itself. It is safe for concurrent use.
type feeds struct {
	metrics prometheus.Gatherer
	lookup  func(scheme, name string) (string, error) // of secrets
	sender  map[string]string                         // attributes of who sends
	log     *slog.Logger
	news    chan []config.OTLPFeed // holds the newest list that is not followed yet

	mu     sync.Mutex
	counts map[string]*feedCount // by feed; guarded by mu
}

// feedCount is how a feed went, over all its configurations.
type feedCount struct {
	last   time.Time // that all was sent
	failed int64
}

// newFeeds makes the feeds of a process whose page is at an address.
func newFeeds(at net.Addr, lookup func(scheme, name string) (string, error), log *slog.Logger) *feeds {
	return &feeds{
		lookup: lookup, sender: senderAt(at), log: log,
		news: make(chan []config.OTLPFeed, 1), counts: map[string]*feedCount{},
	}
}

// senderAt describes this process to receivers. The instance is what Prometheus would call it, host and port: it stays the
// same over restarts, and several processes of one host or of one database differ in it.
func senderAt(at net.Addr) map[string]string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(at.String())
	return map[string]string{"service.name": "gaikei", "service.version": version(), "service.instance.id": net.JoinHostPort(host, port)}
}

// follow has run take up another list of receivers. It returns at once.
func (f *feeds) follow(list []config.OTLPFeed) {
	for {
		select {
		case f.news <- list:
			return
		case <-f.news: // an older one, which nobody needs any more
		}
	}
}

// run sends to the receivers of the newest list until ctx ends. A receiver that is gone or has changed is sent to once more.
func (f *feeds) run(ctx context.Context) error {
	var g sync.WaitGroup
	running := map[string]*feed{}
	for {
		select {
		case <-ctx.Done():
			g.Wait()
			return nil
		case list := <-f.news:
			f.change(running, list)
			for _, c := range list {
				if running[c.Name] == nil {
					one := f.feed(c)
					feedCtx, stop := context.WithCancel(ctx)
					one.stop, running[c.Name] = stop, one
					g.Go(func() { one.run(feedCtx) })
				}
			}
		}
	}
}

// change stops what is not in a list as it runs, and counts for those in it.
func (f *feeds) change(running map[string]*feed, list []config.OTLPFeed) {
	for name, one := range running {
		if !slices.ContainsFunc(list, func(c config.OTLPFeed) bool { return reflect.DeepEqual(c, one.config) }) {
			one.stop()
			delete(running, name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range list {
		if f.counts[c.Name] == nil {
			f.counts[c.Name] = &feedCount{}
		}
	}
	maps.DeleteFunc(f.counts, func(name string, _ *feedCount) bool {
		return !slices.ContainsFunc(list, func(c config.OTLPFeed) bool { return c.Name == name })
	})
}

// count notes how a sending of a feed went, unless the feed is gone.
func (f *feeds) count(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch c := f.counts[name]; {
	case c == nil:
	case err != nil:
		c.failed++
	default:
		c.last = time.Now()
	}
}

// Describe implements prometheus.Collector.
func (f *feeds) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range feedDescs() {
		ch <- d
	}
}

func feedDescs() [2]*prometheus.Desc {
	return [...]*prometheus.Desc{
		prometheus.NewDesc("gaikei_feed_last_success_timestamp_seconds", "When all that a feed should send was last taken; 0 for never.", []string{"feed"}, nil),
		prometheus.NewDesc("gaikei_feed_failures_total", "Sendings of a feed that failed, at least in part.", []string{"feed"}, nil),
	}
}

// Collect implements prometheus.Collector.
func (f *feeds) Collect(ch chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := feedDescs()
	for name, c := range f.counts {
		last := 0.0
		if !c.last.IsZero() {
			last = float64(c.last.UnixMilli()) / 1000
		}
		ch <- prometheus.MustNewConstMetric(d[0], prometheus.GaugeValue, last, name)
		ch <- prometheus.MustNewConstMetric(d[1], prometheus.CounterValue, float64(c.failed), name)
	}
}

// A feed sends to one receiver, as it is configured.
type feed struct {
	all     *feeds
	config  config.OTLPFeed
	stop    context.CancelFunc
	trouble bool
}

func (f *feeds) feed(c config.OTLPFeed) *feed { return &feed{all: f, config: c} }

// run sends at once and then again and again, and once more when ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.stop()
	sender, err := otlp.New(f.options())
	if err != nil { // it was validated
		f.all.log.Error("figures are not sent", "feed", f.config.Name, "error", err)
		return
	}
	defer sender.Close()
	tick := time.NewTicker(f.config.Every)
	defer tick.Stop()
	for {
		f.once(ctx, sender, f.config.Timeout)
		select {
		case <-ctx.Done():
			f.once(context.WithoutCancel(ctx), sender, min(f.config.Timeout, lastSend))
			return
		case <-tick.C:
		}
	}
}

func (f *feed) options() otlp.Options {
	o := otlp.Options{
		URL: f.config.URL, TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Timeout: f.config.Timeout, UserAgent: userAgent(),
		Resource: maps.Clone(f.all.sender), Gatherer: f.all.metrics, Wants: f.config.Wants,
	}
	if f.config.Protocol == config.OTLPGRPC {
		o.Protocol = otlp.GRPC
	}
	if f.config.CA != "" {
		o.TLS.RootCAs = x509.NewCertPool()
		o.TLS.RootCAs.AppendCertsFromPEM([]byte(f.config.CA))
	}
	maps.Copy(o.Resource, f.config.Resource)
	return o
}

// once sends, and tells of trouble when it begins and when it is over. What ctx cuts off has not failed.
func (f *feed) once(ctx context.Context, sender *otlp.Sender, limit time.Duration) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	secrets := &probe.Secrets{Lookup: f.all.lookup}
	err := f.send(limited, sender, secrets)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && limited.Err() != nil:
		err = fmt.Errorf("not taken within %s: %w", limit, err)
	}
	f.all.count(f.config.Name, err)
	switch {
	case err != nil && !f.trouble:
		// The receiver's words are in it, and it knows the headers.
		f.all.log.Error("figures are not sent", "feed", f.config.Name, "error", clipped(secrets.Clean(err.Error())))
	case err == nil && f.trouble:
		f.all.log.Info("figures are sent again", "feed", f.config.Name)
	}
	f.trouble = err != nil
}

// send resolves what headers refer to, and sends with them.
func (f *feed) send(ctx context.Context, sender *otlp.Sender, secrets *probe.Secrets) error {
	headers := map[string]string{}
	for name, t := range f.config.Headers {
		value, err := secrets.Resolve(t)
		if err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
		if len(value) >= minSecret {
			secrets.Hide(value)
		}
		headers[name] = value
	}
	return sender.Send(ctx, headers)
}

// minSecret is how long a header's value is, in bytes, from which on it may be a credential that was written out. Hiding
// shorter ones would leave little of a message.
const minSecret = 8

// maxWords bounds what is logged of an error, in bytes.
const maxWords = 500

func clipped(text string) string {
	if len(text) > maxWords {
		return text[:maxWords] + "…"
	}
	return text
}
