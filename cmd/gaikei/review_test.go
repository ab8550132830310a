package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/review"
	"github.com/gaikei/gaikei/sli/timeline"
)

var updateReview = flag.Bool("update", false, "write the golden files of the review anew")

// reviewNow is when the review of the test is held, and reviewFrom when its checks began.
var (
	reviewNow  = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	reviewFrom = reviewNow.Add(-60 * 24 * time.Hour)
)

// A reviewed store answers as a server does that has these SLOs.
type reviewed struct {
	folderReader
	slos []sli.SLO
}

func (r reviewed) Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error) {
	return r.Store.Incidents(ctx, q, quorum, r.slos)
}

// reviewedSLOs are an exhausted one, one to be watched, one that is provisional and one of which little is known.
func reviewedSLOs() []sli.SLO {
	pooled := sli.Combine{Rule: "pooled"}
	const window = 28 * 24 * time.Hour
	return []sli.SLO{
		{Name: "search-availability", Checks: []string{"search"}, Indicator: sli.IndicatorAvailability, Combine: pooled, Objective: 0.99, Window: window},
		{Name: "shop-availability", Checks: []string{"shop"}, Indicator: sli.IndicatorAvailability, Combine: sli.Combine{Rule: "quorum", Quorum: &sli.Quorum{Count: 2}}, Objective: 0.999, Window: window},
		{Name: "shop-latency", Checks: []string{"shop"}, Indicator: sli.IndicatorLatency, Combine: pooled, Objective: 0.95, Calendar: "month", Timezone: "Asia/Tokyo", Provisional: true},
		{Name: "new-availability", Checks: []string{"new"}, Indicator: sli.IndicatorAvailability, Combine: pooled, Objective: 0.9999, Window: window},
	}
}

// reviewedResult is what a region saw of a check in a slot: two outages of the shop, one of them blamed on a test; an office that was
// blind for three days; a search that is never down.
func reviewedResult(check, region string, at time.Time) probe.Result {
	r := probe.Result{Check: check, Slot: at.UnixMilli(), Outcome: probe.Up, Latency: probe.IndexOf(120 * time.Millisecond), Under: true, Attempts: 1}
	for i := range r.Phases {
		r.Phases[i] = probe.NoLatency
	}
	ago := reviewNow.Sub(at)
	within := func(from, to time.Duration) bool { return ago <= from && ago > to }
	const day = 24 * time.Hour
	switch {
	case region == "osaka" && within(8*day, 4*day):
		r.Outcome, r.Reason, r.Latency = probe.Inconclusive, probe.NoVouch, probe.NoLatency
	case check == "shop" && within(9*day, 9*day-70*time.Minute):
		r.Outcome, r.Reason, r.Latency = probe.Down, probe.Status, probe.NoLatency
	case check == "shop" && within(16*day, 16*day-40*time.Minute):
		r.Outcome, r.Reason, r.Latency = probe.Down, probe.ResponseTimeout, probe.NoLatency
	case check == "shop" && region == "tokyo" && at.Hour() == 3:
		r.Latency, r.Under = probe.IndexOf(800*time.Millisecond), false
	}
	return r
}

func reviewedStore(t *testing.T) reviewed {
	t.Helper()
	store, err := timeline.Open(t.Context(), timeline.Options{Dir: t.TempDir(), Now: func() time.Time { return reviewNow }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	weights := []timeline.Region{{Name: "tokyo", Weight: 5}, {Name: "osaka", Weight: 3}, {Name: "kyoto", Weight: 1}}
	if _, err := store.Ordinals(t.Context(), weights); err != nil {
		t.Fatal(err)
	}
	const interval = 10 * time.Minute
	for _, region := range weights {
		for check, from := range map[string]time.Time{"shop": reviewFrom, "search": reviewFrom, "new": reviewNow.Add(-2 * 24 * time.Hour)} {
			b := probe.Batch{Epochs: []probe.Epoch{{
				Check: check, From: from.UnixMilli(), Grid: probe.Grid{Interval: interval.Milliseconds()}, Budget: 5 * time.Second, Under: 300 * time.Millisecond, Expected: true,
			}}}
			for at := from; at.Before(reviewNow); at = at.Add(interval) {
				b.Results = append(b.Results, reviewedResult(check, region.Name, at))
			}
			payloads, err := wire.Marshal(&b)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range payloads {
				if err := store.Ingest(t.Context(), []timeline.Message{{Region: region.Name, Prober: "p1", Received: reviewNow, Payload: p}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	_, err = store.Correct(t.Context(), sli.Correction{
		ID: "load-test", Checks: []string{"shop"}, From: reviewNow.Add(-16 * 24 * time.Hour), To: reviewNow.Add(-16*24*time.Hour + time.Hour), Effect: "exclude",
		Category: "test", Reason: "a load test <script>alert(1)</script> | [see](javascript:alert(1)) at https://example.com/", Author: "kei *O'Hara*",
	})
	if err != nil {
		t.Fatal(err)
	}
	return reviewed{folderReader{store}, reviewedSLOs()}
}

// TestReviewPage holds both pages of a fixed store against golden files, and their figures against what else tells them.
func TestReviewPage(t *testing.T) {
	t.Parallel()
	r := reviewedStore(t)
	points, err := r.SLOHistory(t.Context(), r.slos, sli.Query{Window: 28 * 24 * time.Hour}, sli.Period{Length: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	in, err := gather(t.Context(), r, points)
	if err != nil {
		t.Fatal(err)
	}
	page := review.New(in)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"page.md":   func(b *bytes.Buffer) error { return page.Markdown(b) },
		"page.html": func(b *bytes.Buffer) error { return page.HTML(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "review", name)
		if *updateReview {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s (-golden +got):\n%s", name, d)
		}
		markup := map[string]string{"page.md": `[^\\]<|[^\\]\]|://`, "page.html": `<script|(href|src)="[^#]`}[name]
		if found := regexp.MustCompile(markup).FindString(b.String()); found != "" {
			t.Errorf("%s has %q: what somebody wrote became markup", name, found)
		}
	}
	reports, err := r.SLOs(t.Context(), r.slos, reviewNow)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range in.Cases {
		if d := cmp.Diff(reports[i], c.History[len(c.History)-1].SLOReport); d != "" {
			t.Errorf("how %s stands (-report +review):\n%s", reports[i].Name, d)
		}
	}
}
