package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// These tests run against the store that a process has.

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// open makes an empty store whose clock is noon.
func open(tb testing.TB) *timeline.Store {
	tb.Helper()
	s, err := timeline.Open(context.Background(), timeline.Options{Dir: tb.TempDir(), Now: func() time.Time { return noon }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// ingest stores what a prober of a region would send.
func ingest(tb testing.TB, s *timeline.Store, region string, b *probe.Batch) {
	tb.Helper()
	payloads, err := wire.Marshal(b)
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range payloads {
		if err := s.Ingest(context.Background(), []timeline.Message{{Region: region, Prober: "p", Received: noon, Payload: p}}); err != nil {
			tb.Fatal(err)
		}
	}
}

// count begins to count.
func count(tb testing.TB, s *timeline.Store) {
	tb.Helper()
	if err := s.SetMaintenance(context.Background(), nil, nil); err != nil {
		tb.Fatal(err)
	}
	if err := s.Count(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// hour is an hour of a check before noon at a minute, up but for the slots from the nth on.
func hour(check string, failing int) *probe.Batch {
	begin := noon.Add(-time.Hour).UnixMilli()
	b := &probe.Batch{Epochs: []probe.Epoch{{
		Check: check, From: begin, Grid: probe.Grid{Interval: 60_000}, Budget: 10 * time.Second, Under: 100 * time.Millisecond, Expected: true,
	}}}
	for i := range 59 {
		r := probe.Result{Check: check, Slot: begin + int64(i)*60_000, Outcome: probe.Up, Latency: probe.IndexOf(40 * time.Millisecond), Under: true, Attempts: 1}
		for p := range r.Phases {
			r.Phases[p] = probe.NoLatency
		}
		r.Phases[probe.PhaseConnect], r.Phases[probe.PhaseWait] = probe.IndexOf(10*time.Millisecond), probe.IndexOf(30*time.Millisecond)
		if i >= failing {
			r.Outcome, r.Reason, r.Latency, r.Under = probe.Down, probe.Status, probe.NoLatency, false
		}
		b.Results = append(b.Results, r)
	}
	return b
}

func read(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d\n%s", url, resp.StatusCode, body)
	}
	return string(body)
}

func TestRealStore(t *testing.T) {
	store := open(t)
	ingest(t, store, "tokyo", hour("shop", 59))
	ingest(t, store, "office", hour("shop", 50))
	evidence, err := json.Marshal(probe.Evidence{
		Check: "shop", Slot: noon.Add(-10 * time.Minute).UnixMilli(), Outcome: "down", Reason: "status",
		Detail: probe.Detail{Error: "the shop is <closed>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.IngestEvidence(t.Context(), []timeline.Message{{Region: "office", Prober: "p", Received: noon, Payload: evidence}}); err != nil {
		t.Fatal(err)
	}
	count(t, store)
	reg := prometheus.NewRegistry()
	reg.MustRegister(web.NewCollector(store))
	srv := httptest.NewServer(web.NewHandler(web.Options{Source: store, Now: func() time.Time { return noon }, Gatherer: reg}))
	t.Cleanup(srv.Close)

	reports, err := store.Reports(t.Context(), sli.Query{Window: 30 * time.Minute, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(read(t, srv.URL+"/api/v1/sli?window=30m")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(reports, got.Items); diff != "" || len(reports) != 3 {
		t.Errorf("API and store differ, or there are not 3 reports (-store +API):\n%s", diff)
	}
	for path, parts := range map[string][]string{
		"/":                            {"shop", "tokyo", "office", "9 × down: status", "84.74%", "the shop is &lt;closed&gt;"},
		"/checks/shop":                 {"pooled", "the shop is &lt;closed&gt;", "fast", "Where the time goes", "10:00 to 12:00 UTC", "of 50 slots", "9.95ms"},
		"/api/v1/phases?region=office": {`"phase":"connect","count":50,"quantiles_seconds":{"0.5":0.0099`, `"0.99":null`},
		"/api/v1/evidence?check=shop":  {`"region":"office"`, `the shop is`},
		"/metrics":                     {`gaikei_sli_slots_total{check="shop",region="tokyo",verdict="good"} 0`, `gaikei_results_total{check="shop",outcome="down",reason="status",region="office"} 9`},
	} {
		body := read(t, srv.URL+path)
		for _, p := range parts {
			if !strings.Contains(body, p) {
				t.Errorf("%s: want %q in:\n%.3000s", path, p, body)
			}
		}
	}
}

// stored is a store of n checks in three regions with an hour of slots, a fifth of them with a failure.
func stored(b *testing.B, n int) (*timeline.Store, []web.Check) {
	b.Helper()
	store := open(b)
	var catalog []web.Check
	regions := []string{"tokyo", "frankfurt", "office"}
	for i := range n {
		id := fmt.Sprintf("check-%04d", i)
		catalog = append(catalog, web.Check{ID: id, Name: id, Kind: "http", Target: "https://example.com/", Regions: regions, Enabled: true})
	}
	for _, region := range regions {
		all := &probe.Batch{}
		for i, c := range catalog {
			one := hour(c.ID, 59-i%5/4*9)
			all.Epochs, all.Results = append(all.Epochs, one.Epochs...), append(all.Results, one.Results...)
		}
		ingest(b, store, region, all)
	}
	return store, catalog
}

// A page of 1,000 checks in three regions is promised within a second.
func BenchmarkIndexOf1000Checks(b *testing.B) {
	store, catalog := stored(b, 1000)
	h := web.NewHandler(web.Options{Source: store, Catalog: func() []web.Check { return catalog }, Now: func() time.Time { return noon }})
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
		b.ReportMetric(float64(w.Body.Len()), "B/page")
	}
}

func BenchmarkScrapeOf1000Checks(b *testing.B) {
	store, _ := stored(b, 1000)
	count(b, store)
	reg := prometheus.NewRegistry()
	reg.MustRegister(web.NewCollector(store))
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
