package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/internal/bubble"
	"github.com/gaikei/gaikei/sli"
)

// A wire answers in place of a network, which a bubble has not.
type wire func(*http.Request) (int, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := w(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// A stage is a Notifier in a bubble, and what it is to tell.
type stage struct {
	*Notifier
	mu     sync.Mutex // guards what follows
	cfg    *Config
	states []sli.SLOReport
	err    error
	faults []sli.Fault
}

// onStage runs a Notifier; wires say how receivers answer, by their URL's host.
func onStage(t *testing.T, timing Timing, wires map[string]wire) *stage {
	s := &stage{}
	s.Notifier = New(Options{
		Config: func() *Config { s.mu.Lock(); defer s.mu.Unlock(); return s.cfg },
		SLOs: func(context.Context, time.Time) ([]sli.SLOReport, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.states, s.err
		},
		Faults: func(context.Context) []sli.Fault { s.mu.Lock(); defer s.mu.Unlock(); return s.faults },
		File:   filepath.Join(t.TempDir(), "notify.json"), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Timing: timing,
	})
	s.client = func(r Receiver) *http.Client { return &http.Client{Transport: wires[r.Name]} }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// set changes what there is to tell, once everybody waits.
func (s *stage) set(change func()) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func receiver(name string, kind Kind) Receiver {
	return Receiver{Name: name, Kind: kind, Timeout: 10 * time.Second, Target: func() (Target, error) { return Target{URL: "http://" + name, Header: http.Header{}}, nil }}
}

func decided(slo, decision string) []sli.SLOReport {
	return []sli.SLOReport{{Name: slo, Decided: new(1.0), AsOf: time.Now(), Decision: sli.Decision{Decision: decision}}}
}

// An inbox is what an Alertmanager was told: when, and how many alerts that last and that are over.
type inbox struct {
	t     *testing.T
	begun time.Time
	mu    sync.Mutex // guards what follows
	posts []string
}

func (b *inbox) take(r *http.Request) (int, error) {
	var alerts []Alert
	if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil || r.URL.Path != "/api/v2/alerts" {
		b.t.Errorf("got %s, error %v", r.URL.Path, err)
	}
	text := time.Since(b.begun).String() + ":"
	for _, a := range alerts {
		if a.EndsAt.After(time.Now()) {
			text += " " + a.Labels["alertname"] + " for " + time.Until(a.EndsAt).String()
		} else {
			text += " " + a.Labels["alertname"] + " over"
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posts = append(b.posts, text)
	return http.StatusOK, nil
}

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.posts
}

// TestRounds: an Alertmanager is told at once of what is new and of what is over, else once a minute; one that hangs beside it
// delays nobody; while the SLOs cannot be worked out alerts stay, and that is told too; a new configuration takes effect.
func TestRounds(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		in := &inbox{t: t, begun: time.Now()}
		hangs := func(r *http.Request) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() }
		s := onStage(t, Timing{}, map[string]wire{"good": in.take, "hung": hangs})
		s.set(func() {
			s.cfg = &Config{Page: page, Receivers: []Receiver{receiver("hung", Alertmanager), receiver("good", Alertmanager)}}
			s.err = errors.New("the database is away")
		})
		time.Sleep(time.Minute) // nothing is known, so nothing is told
		s.set(func() { s.states, s.err = decided("a", "ok"), nil })
		time.Sleep(70 * time.Second) // 1m15s, 2m, now 2m10s
		s.set(func() { s.states = decided("a", "exhausted") })
		time.Sleep(70 * time.Second) // 2m15s, 3m15s, now 3m20s
		s.set(func() { s.err = errors.New("the database is away") })
		time.Sleep(20 * time.Second) // 3m30s with a fault more
		s.set(func() { s.states, s.err = decided("a", "ok"), nil })
		time.Sleep(70 * time.Second) // 3m45s: all is over
		s.set(func() { s.cfg = nil })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		want := []string{
			"1m15s:", "2m15s: GaikeiDecision for 4m0s", "3m15s: GaikeiDecision for 4m0s", "3m30s: GaikeiDecision for 4m0s GaikeiFault for 4m0s",
			"3m45s: GaikeiDecision over GaikeiFault over", "4m45s: GaikeiDecision over GaikeiFault over",
		}
		if d := cmp.Diff(want, in.all()); d != "" {
			t.Errorf("what was told (-want +got):\n%s", d)
		}
	})
}

// TestRetries: a webhook that takes nothing is tried ever more seldom, and not for ever; what is given up is counted.
func TestRetries(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		begun := time.Now()
		var tries []time.Duration
		var mu sync.Mutex
		refuses := func(*http.Request) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Since(begun))
			return http.StatusServiceUnavailable, nil
		}
		s := onStage(t, Timing{GiveUp: time.Hour}, map[string]wire{"hook": refuses})
		s.set(func() {
			s.cfg = &Config{Page: page, Receivers: []Receiver{receiver("hook", Webhook)}}
			s.states = decided("a", "exhausted")
		})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(tries) < 16 || tries[0] != 15*time.Second || tries[len(tries)-1] > 15*time.Second+time.Hour {
			t.Fatalf("tries at %v, want the first at 15s, and at least 16 within an hour", tries)
		}
		for i, most := 1, time.Second; i < len(tries); i, most = i+1, min(2*most, longestWait) {
			if wait := tries[i] - tries[i-1]; wait < most/2 || wait > most {
				t.Errorf("wait %d was %v, want between half of %v and all of it", i, wait, most)
			}
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(s)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetValue()
				}
				got[strings.TrimPrefix(name, "gaikei_notifications_")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		want := map[string]float64{
			"dropped_total hook": 1, "waiting hook": 0, "last_success_timestamp_seconds hook": 0, "total hook sent": 0, "total hook failed": float64(len(tries)),
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("metrics (-want +got):\n%s", d)
		}
	})
}

// TestBelow: the API is below whatever path an Alertmanager has.
func TestBelow(t *testing.T) {
	for from, want := range map[string]string{
		"http://h": "/api/v2/alerts", "http://h/": "/api/v2/alerts", "http://h/p": "/p/api/v2/alerts", "http://h/p/": "/p/api/v2/alerts", "http://h/a%2Fb/": "/a%2Fb/api/v2/alerts",
	} {
		u, err := url.Parse(from)
		if err != nil {
			t.Fatal(err)
		}
		if below(u, "/api/v2/alerts"); u.RequestURI() != want {
			t.Errorf("%s: got %s, want %s", from, u.RequestURI(), want)
		}
	}
}
