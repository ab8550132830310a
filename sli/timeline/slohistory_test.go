package timeline

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// historic are SLOs of every kind of window, indicator and combination.
func historic() []sli.SLO {
	both := []string{"shop", "zone"}
	list := []sli.SLO{
		{Checks: both, Window: 36 * time.Hour},
		{Checks: both, Window: 20 * time.Hour, Indicator: sli.IndicatorLatency, Weights: map[string]float64{"osaka": 0.3}},
		{Checks: []string{"shop"}, Calendar: "day", Timezone: "Asia/Tokyo", Indicator: sli.IndicatorProber},
		{Checks: []string{"shop"}, Calendar: "week", Timezone: "UTC", Combine: sli.Combine{Rule: "worst"}},
		{Checks: both, Window: 30 * time.Hour, Group: sli.GroupWorst},
		{Checks: both, Window: 30 * time.Hour, Combine: quorum(sli.Quorum{Any: true})},
		{Checks: both, Calendar: "day", Timezone: "UTC", Group: sli.GroupAll, Combine: quorum(sli.Quorum{All: true})},
		{Checks: []string{"shop"}, Window: 20 * time.Hour, Indicator: sli.IndicatorLatency, Combine: quorum(sli.Quorum{Count: 1})},
		{Checks: []string{"nowhere"}, Window: time.Hour},
	}
	for i := range list {
		o := &list[i]
		o.Name, o.Objective = fmt.Sprint("slo-", i), 0.9
		if o.Indicator == "" {
			o.Indicator = sli.IndicatorAvailability
		}
		if o.Combine == (sli.Combine{}) {
			o.Combine.Rule = "pooled"
		}
	}
	return list
}

// Each point is what the SLO's report says at its as_of, to the last bit.
func TestSLOHistoryIsReports(t *testing.T) {
	corrected := 0
	place{Options{Dir: t.TempDir()}}.check(t, fewRounds, func(rt *rapid.T, p place) {
		c := &clock{noon}
		s := p.open(t, c)
		defer func() { _ = s.Close() }()
		fillHistory(rt, s)
		c.now = on(4, time.Hour)
		period := rapid.SampledFrom([]sli.Period{
			{Length: 24 * time.Hour}, {Length: 7 * time.Hour}, {Unit: "day", Zone: time.FixedZone("half", 5*3600+1800)},
		}).Draw(rt, "step")
		q := sli.Query{From: on(0, time.Duration(rapid.IntRange(-5, 60).Draw(rt, "from"))*time.Hour), Now: c.now}
		points, err := s.SLOHistory(t.Context(), historic(), q, period)
		if err != nil {
			rt.Fatal(err)
		}
		corrected += asAsked(rt, s, points)
	})
	if corrected == 0 {
		t.Error("no point was corrected: not all was tested")
	}
}

// fillHistory has two checks in two regions fare in some way, also with a correction.
func fillHistory(rt *rapid.T, s *Store) {
	rt.Helper()
	ctx := rt.Context()
	if _, err := s.Ordinals(ctx, []Region{{Name: "tokyo", Weight: 0.3}, {Name: "osaka", Weight: 0.7}}); err != nil {
		rt.Fatal(err)
	}
	take := func(m Message) {
		if err := s.Ingest(ctx, []Message{m}); err != nil {
			rt.Fatal(err)
		}
	}
	zone := everyTwoHours(on(1, 0))
	zone.Check = "zone"
	begin := probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(0, 0)), zone}}
	take(message(rt, "p", begin))
	take(in("osaka", message(rt, "p", begin)))
	for n := range 12 {
		b := sparseBatch().Draw(rt, "batch")
		for i := range b.Results {
			if n%2 == 0 {
				b.Results[i].Check = "zone"
			}
		}
		for i := range b.Epochs {
			b.Epochs[i].Of = rapid.SampledFrom([]probe.Population{probe.OfValid, probe.OfUp}).Draw(rt, "of")
		}
		if b.Empty() {
			continue
		}
		m := in([]string{"tokyo", "osaka"}[n/2%2], message(rt, "p", b))
		m.Received = noon.Add(time.Duration(n) * time.Second)
		take(m)
	}
	hour := rapid.IntRange(20, 80).Draw(rt, "correction")
	_, err := s.Correct(ctx, sli.Correction{
		Checks: []string{"shop"}, From: on(0, time.Duration(hour)*time.Hour), To: on(0, time.Duration(hour+5)*time.Hour),
		Effect: "bad", Category: "test", Reason: "r", Author: "kei",
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// asAsked compares points with the reports of that time, and returns how many had a correction.
func asAsked(t *rapid.T, s *Store, points []sli.SLOPoint) int {
	t.Helper()
	byName := map[string]sli.SLO{}
	for _, o := range historic() {
		byName[o.Name] = o
	}
	corrected, ends := 0, map[string]time.Time{}
	for i, x := range points {
		o := byName[x.Name]
		ends[x.Name] = x.To
		want, err := askedThen(t, s, &o, x.SLOReport)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, x.SLOReport); d != "" {
			t.Fatalf("%s at %v (-report +point):\n%s", x.Name, x.AsOf, d)
		}
		if x.Observed != nil {
			corrected++
		}
		if i > 0 && points[i-1].Name == x.Name && !points[i-1].To.Equal(x.Step.From) {
			t.Fatalf("%s: the step to %v begins at %v, and the one before it ended at %v", x.Name, x.To, x.Step.From, points[i-1].To)
		}
		stepAlone(t, s, o, x)
	}
	for name, at := range ends {
		if !at.Equal(instantOf(s.mustWindow(t).To)) {
			t.Fatalf("%s: the last point is at %v, want as_of", name, at)
		}
	}
	return corrected
}

// askedThen asks for the report at the as_of of a point. Where a calendar's unit ends that would be about the next unit, so it is asked for
// the window of the one that ends.
func askedThen(t *rapid.T, s *Store, o *sli.SLO, x sli.SLOReport) (sli.SLOReport, error) {
	if o.Calendar != "" && x.To.Equal(x.End) {
		w, err := o.WindowEnding(x.AsOf, s.cellOf(o, x.AsOf.UnixMilli()))
		if err != nil {
			return sli.SLOReport{}, err
		}
		return s.sloIn(t.Context(), o, w)
	}
	rs, err := s.SLOs(t.Context(), []sli.SLO{*o}, x.AsOf.Add(s.budget(s.o.Now())+15*time.Second))
	if err != nil {
		return sli.SLOReport{}, err
	}
	return rs[0], nil
}

func (s *Store) mustWindow(t *rapid.T) sli.Window {
	t.Helper()
	w, err := s.window(sli.Query{Window: time.Hour, Now: s.o.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// stepAlone compares what a point says of its step with the amount of that time.
func stepAlone(t *rapid.T, s *Store, o sli.SLO, x sli.SLOPoint) {
	t.Helper()
	// Timelines that ended before the window began are in its amount and not in the point's.
	if !o.Additive() || x.Step.From.Before(x.From) {
		return
	}
	if d := cmp.Diff(amountBetween(t, s, &o, x.Step.From, x.To).Ratio(), x.Step.SLI, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Fatalf("%s, step to %v (-alone +point):\n%s", x.Name, x.To, d)
	}
}

// The shares of the budget that the steps of a window spent are together what is spent of it.
func TestSLOHistorySpends(t *testing.T) {
	c := &clock{noon}
	s := openStore(t, t.TempDir(), c)
	defer s.Close()
	fillWorld(t, s, []Region{{Name: "tokyo"}, {Name: "osaka"}, {Name: "kyoto"}})
	o := sli.SLO{Name: "s", Checks: []string{"shop"}, Indicator: sli.IndicatorAvailability, Objective: 0.9, Window: time.Hour, Combine: sli.Combine{Rule: "pooled"}}
	points, err := s.SLOHistory(t.Context(), []sli.SLO{o}, sli.Query{Window: time.Hour}, sli.Period{Length: 10 * time.Minute})
	if err != nil || len(points) < 6 {
		t.Fatalf("got %d points, %v, want at least 6", len(points), err)
	}
	last := points[len(points)-1]
	sum := 0.0
	for _, x := range points {
		sum += *x.Step.Spent * *x.Budget.TotalSeconds / *last.Budget.TotalSeconds
	}
	if want := 1 - *last.Budget.Left; want == 0 || sum < want-1e-9 || sum > want+1e-9 {
		t.Errorf("steps spent %v together, want %v and not nothing", sum, want)
	}
	if _, err = s.SLOHistory(t.Context(), []sli.SLO{o, o}, sli.Query{Window: time.Hour}, sli.Period{Length: time.Second}); !errors.Is(err, sli.ErrTooMany) {
		t.Errorf("7200 points: got %v, want too many", err)
	}
}
