package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/probe"
)

// pingVariable names the URL of a dead man's switch where it is not given as a flag, which every user of the machine
// can see.
const pingVariable = "GAIKEI_PING_URL"

const (
	pingEvery   = time.Minute
	pingTimeout = 10 * time.Second
	// pingGrace is how long after it was due a verdict may be on its way before not all is well.
	pingGrace = time.Minute
)

// A deadman asks for a URL once a minute while all is well. Whoever is asked there tells when it is asked no more: that
// is how the death of a monitoring system is noticed, which it cannot tell itself.
type deadman struct {
	url  string
	well func() error // why not all is well
	log  *slog.Logger

	mu     sync.Mutex // guards what follows
	last   time.Time  // of the last ping that was answered
	failed int64
}

// newDeadman takes the URL of the flag, or of the variable; nil without any.
func newDeadman(flag string, well func() error, log *slog.Logger) (*deadman, error) {
	from, text := "--ping", flag
	if env := os.Getenv(pingVariable); text == "" {
		from, text = pingVariable, env
	}
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usage("for example "+from+" https://ping.example.com/UUID", "%s: want a URL with http or https", from)
	}
	return &deadman{url: text, well: well, log: log}, nil
}

// run pings until ctx ends. What goes wrong is logged when it begins and when it is over. A nil one does nothing.
func (d *deadman) run(ctx context.Context) error {
	if d == nil {
		return nil
	}
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	trouble := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := d.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch text := errText(err); {
		case text != "" && trouble == "":
			d.log.Error("the dead man's switch is not pinged", "error", err)
		case text == "" && trouble != "":
			d.log.Info("the dead man's switch is pinged again")
		}
		trouble = errText(err)
	}
}

// once pings if all is well.
func (d *deadman) once(ctx context.Context) error {
	if err := d.well(); err != nil {
		return fmt.Errorf("not all is well: %w", err)
	}
	err := d.ping(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.failed++
		return err
	}
	d.last = time.Now()
	return nil
}

// ping asks for the URL. Its errors do not show it, for it often is a secret.
func (d *deadman) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return errors.New("ping: the URL cannot be asked for")
	}
	req.Header.Set("User-Agent", userAgent())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ping %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("ping %s: got %s", req.URL.Host, resp.Status)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (d *deadman) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(d, ch) }

// Collect implements prometheus.Collector.
func (d *deadman) Collect(ch chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := 0.0
	if !d.last.IsZero() {
		last = float64(d.last.UnixMilli()) / 1000
	}
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("gaikei_ping_last_success_timestamp_seconds",
		"When the dead man's switch was last pinged; 0 for never.", nil, nil), prometheus.GaugeValue, last)
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("gaikei_ping_failures_total",
		"Pings of the dead man's switch that were not answered.", nil, nil), prometheus.CounterValue, float64(d.failed))
}

// well tells why not all is well with what a process keeps: it does not work, or no check has come to a verdict for
// longer than it should take.
func (c *centre) well() error {
	if err := c.ready(); err != nil {
		return err
	}
	return overdue(c.state.Load().file.Checks, c.store.NewestVerdict(), time.Now())
}

// overdue tells that no check has come to a verdict for longer than it should take.
func overdue(checks []*probe.Check, newest, now time.Time) error {
	shortest, longest := time.Duration(0), time.Duration(0)
	for _, chk := range checks {
		if chk.Enabled {
			if shortest == 0 || chk.Interval < shortest {
				shortest = chk.Interval
			}
			longest = max(longest, chk.Budget())
		}
	}
	switch limit := 2*shortest + longest + pingGrace; {
	case shortest == 0: // there is nothing to look at
		return nil
	case newest.IsZero():
		return errors.New("no check has come to a verdict since the start")
	case now.Sub(newest) > limit:
		return fmt.Errorf("no check has come to a verdict since %s", stamp(newest))
	}
	return nil
}
