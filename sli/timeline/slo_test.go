package timeline

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// The SLI of every way to combine regions and checks, against one that looks at each second.
func TestSLOs(t *testing.T) { everywhere(t, testSLOs) }

func testSLOs(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer s.Close()
	regions := []Region{{Name: "tokyo", Weight: 5}, {Name: "osaka", Weight: 3}, {Name: "kyoto", Weight: 1}, {Name: "office", Weight: 0}}
	if _, err := s.Ordinals(t.Context(), regions); err != nil {
		t.Fatal(err)
	}
	world := fillWorld(t, s, regions)
	asOf := sli.AsOf(noon, time.Second)
	w := world.over(asOf.Add(-time.Hour), asOf)
	for _, o := range []struct {
		name string
		slo  sli.SLO
		want *float64
	}{
		{"one check pooled", sli.SLO{Checks: []string{"shop"}}, w.pooled(map[string]float64{"tokyo": 5, "osaka": 3, "kyoto": 1}, "shop")},
		{"pooled", sli.SLO{Checks: []string{"shop", "zone"}}, w.pooled(map[string]float64{"tokyo": 5, "osaka": 3, "kyoto": 1}, "shop", "zone")},
		{"weights of its own", sli.SLO{Checks: []string{"shop"}, Weights: map[string]float64{"kyoto": 9}}, w.pooled(map[string]float64{"tokyo": 5, "osaka": 3, "kyoto": 9}, "shop")},
		{"chosen regions", sli.SLO{Checks: []string{"shop"}, Regions: []string{"kyoto", "office"}}, w.pooled(map[string]float64{"kyoto": 1, "office": 1}, "shop")},
		{"worst region", sli.SLO{Checks: []string{"shop", "zone"}, Combine: sli.Combine{Rule: "worst"}}, w.worst("shop", "zone")},
		{"quorum of 2", sli.SLO{Checks: []string{"shop"}, Combine: quorum(sli.Quorum{Count: 2})}, w.quorum(2, "shop")},
		{"quorum of all", sli.SLO{Checks: []string{"shop"}, Combine: quorum(sli.Quorum{All: true})}, w.quorum(3, "shop")},
		{"quorum of any, two checks", sli.SLO{Checks: []string{"shop", "zone"}, Combine: quorum(sli.Quorum{Any: true})}, w.quorum(1, "shop", "zone")},
		{"all checks must hold, quorum of 2", sli.SLO{Checks: []string{"shop", "zone"}, Group: "all", Combine: quorum(sli.Quorum{Count: 2})}, w.together(2, "shop", "zone")},
	} {
		t.Run(o.name, func(t *testing.T) {
			o.slo.Name, o.slo.Indicator, o.slo.Objective, o.slo.Window = "s", "availability", 0.9, time.Hour
			if o.slo.Combine.Rule == "" {
				o.slo.Combine.Rule = "pooled"
			}
			rs, err := s.SLOs(t.Context(), []sli.SLO{o.slo}, noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(o.want, rs[0].SLI, cmpopts.EquateApprox(1e-12, 0)); d != "" || o.want == nil {
				t.Errorf("SLI (-want +got):\n%s", d)
			}
			testAmountsAddUp(t, s, o.slo, rs[0])
			foldAll(t, s)
			again, err := s.SLOs(t.Context(), []sli.SLO{o.slo}, noon)
			if d := cmp.Diff(rs, again); d != "" || err != nil {
				t.Errorf("folded (-before +after), error %v:\n%s", err, d)
			}
		})
	}
	testSLOAgreesWithReports(t, s, asOf)
}

// testAmountsAddUp counts an SLO's window piece by piece, as its counter does.
func testAmountsAddUp(t *testing.T, s *Store, o sli.SLO, r sli.SLOReport) {
	t.Helper()
	if !o.Additive() {
		return
	}
	var sum sli.Amount
	for from := r.From; from.Before(r.To); {
		to := from.Add(7*time.Minute + 3*time.Second)
		if to.After(r.To) {
			to = r.To
		}
		sum, from = sum.Plus(amountBetween(t, s, &o, from, to)), to
	}
	if d := cmp.Diff(r.SLI, sum.Ratio(), cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Errorf("SLI of the pieces (-report +pieces):\n%s", d)
	}
	clock := (sum.Good + sum.Bad + sum.None + sum.Excluded) / 1000
	if clock < 3500 || clock > 3700 {
		t.Errorf("an hour is %v s by the clock", clock)
	}
}

func quorum(q sli.Quorum) sli.Combine { return sli.Combine{Rule: "quorum", Quorum: &q} }

// One number: a pooled SLO of a check is what its report says, for every indicator, corrected or not.
func testSLOAgreesWithReports(t *testing.T, s *Store, asOf time.Time) {
	t.Helper()
	for _, corrected := range []bool{false, true} {
		if corrected {
			c := sli.Correction{
				Checks: []string{"shop"}, From: asOf.Add(-30 * time.Minute), To: asOf.Add(-20 * time.Minute), Effect: "bad",
				Category: "missed_outage", Reason: "r", Author: "kei",
			}
			correct(t, s, c)
		}
		reports, err := s.Reports(t.Context(), sli.Query{Checks: []string{"shop"}, From: asOf.Add(-time.Hour), To: asOf})
		if err != nil {
			t.Fatal(err)
		}
		pooled := reports[len(reports)-1]
		for indicator, want := range map[string]*float64{
			sli.IndicatorAvailability: pooled.Availability.Ratio, sli.IndicatorLatency: pooled.Latency.Ratio, sli.IndicatorProber: pooled.Coverage,
		} {
			o := sli.SLO{
				Name: "s", Checks: []string{"shop"}, Indicator: indicator, Objective: 0.9, Window: time.Hour, Combine: sli.Combine{Rule: "pooled"},
			}
			rs, err := s.SLOs(t.Context(), []sli.SLO{o}, noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, rs[0].SLI, cmpopts.EquateApprox(1e-12, 0)); d != "" || want == nil {
				t.Errorf("%s, corrected %v (-report +SLO):\n%s", indicator, corrected, d)
			}
			if (rs[0].Observed != nil) != corrected {
				t.Errorf("%s, corrected %v: observed is %v", indicator, corrected, rs[0].Observed)
			}
		}
	}
}

// A world remembers what was seen, by check, region and second.
type world struct {
	regions []string
	seen    map[string]map[string]map[int64]sli.Verdict // by check, region and instant in seconds, of the cell
	from,
	to int64
}

// fillWorld has two checks fare at random in all regions.
func fillWorld(t *testing.T, s *Store, regions []Region) *world {
	t.Helper()
	w := &world{seen: map[string]map[string]map[int64]sli.Verdict{}}
	random := rand.New(rand.NewPCG(1, 2))
	for i, r := range regions {
		if r.Weight > 0 {
			w.regions = append(w.regions, r.Name)
		}
		for _, check := range []string{"shop", "zone"} {
			grid := probe.Grid{Interval: 10_000, Offset: int64(i) * 2000}
			e := probe.Epoch{Check: check, From: noon.Add(-3 * time.Hour).UnixMilli(), Grid: grid, Budget: time.Second, Under: time.Second, Expected: true}
			b := probe.Batch{Epochs: []probe.Epoch{e}}
			if w.seen[check] == nil {
				w.seen[check] = map[string]map[int64]sli.Verdict{}
			}
			w.seen[check][r.Name] = map[int64]sli.Verdict{}
			outcome := 0
			for at := noon.Add(-3*time.Hour + time.Duration(i)*2*time.Second); at.Before(noon); at = at.Add(10 * time.Second) {
				if random.IntN(8) == 0 {
					outcome = random.IntN(4)
				}
				verdict := sli.Good
				switch outcome {
				case 1:
					verdict = sli.Bad
					b.Results = append(b.Results, down(check, at))
				case 2:
					verdict = sli.None // no data
				default:
					x := up(check, at)
					x.Under = random.IntN(3) > 0
					b.Results = append(b.Results, x)
				}
				for second := range int64(10) {
					w.seen[check][r.Name][at.Unix()+second] = verdict
				}
			}
			ingest(t, s, in(r.Name, message(t, fmt.Sprintf("p%d", i), b)))
		}
	}
	catchUp(t, s)
	return w
}

func (w *world) over(from, to time.Time) *world {
	v := *w
	v.from, v.to = from.Unix(), to.Unix()
	return &v
}

// counts are the seconds of one timeline. Slots belong to a window by their instant, so it begins and ends with whole cells.
func (w *world) counts(check, region string) (good, bad float64) {
	for second, v := range w.seen[check][region] {
		slot := second - (second-w.offset(region))%10
		switch {
		case slot < w.from || slot >= w.to:
		case v == sli.Good:
			good++
		case v == sli.Bad:
			bad++
		}
	}
	return good, bad
}

func (w *world) offset(region string) int64 {
	return map[string]int64{"tokyo": 0, "osaka": 2, "kyoto": 4, "office": 6}[region]
}

func (w *world) pooled(weights map[string]float64, checks ...string) *float64 {
	var good, bad float64
	for region, weight := range weights {
		for _, check := range checks {
			g, b := w.counts(check, region)
			good, bad = good+weight*g, bad+weight*b
		}
	}
	r := good / (good + bad)
	return &r
}

func (w *world) worst(checks ...string) *float64 {
	var worst *float64
	for _, region := range w.regions {
		if r := w.pooled(map[string]float64{region: 1}, checks...); worst == nil || *r < *worst {
			worst = r
		}
	}
	return worst
}

// vote is how an instant counts, of what is seen in the regions.
func vote(k int, seen []sli.Verdict) sli.Verdict {
	good, silent := 0, 0
	for _, v := range seen {
		switch v {
		case sli.Good:
			good++
		case sli.None:
			silent++
		}
	}
	switch {
	case good >= k:
		return sli.Good
	case good+silent < k:
		return sli.Bad
	}
	return sli.None
}

func (w *world) quorum(k int, checks ...string) *float64 {
	var good, bad float64
	for second := w.from; second < w.to; second++ {
		for _, check := range checks {
			var seen []sli.Verdict
			for _, region := range w.regions {
				seen = append(seen, w.seen[check][region][second])
			}
			switch vote(k, seen) {
			case sli.Good:
				good++
			case sli.Bad:
				bad++
			}
		}
	}
	r := good / (good + bad)
	return &r
}

func (w *world) together(k int, checks ...string) *float64 {
	var good, bad float64
	for second := w.from; second < w.to; second++ {
		var votes []sli.Verdict
		for _, region := range w.regions {
			var seen []sli.Verdict
			for _, check := range checks {
				seen = append(seen, w.seen[check][region][second])
			}
			votes = append(votes, vote(len(checks), seen))
		}
		switch vote(k, votes) {
		case sli.Good:
			good++
		case sli.Bad:
			bad++
		}
	}
	r := good / (good + bad)
	return &r
}

// What was deleted is not no data: a window is cut where slots are kept no longer, and one before it that is cut is none.
func TestSLOOfMoreThanIsKept(t *testing.T) {
	s := place{Options{Dir: t.TempDir(), Retention: 48 * time.Hour}}.store(t)
	b := probe.Batch{Epochs: []probe.Epoch{follow("shop")}}
	b.Epochs[0].From = noon.Add(-30 * 24 * time.Hour).UnixMilli()
	for at := noon.Add(-60 * time.Hour); at.Before(noon); at = at.Add(10 * time.Second) {
		b.Results = append(b.Results, up("shop", at))
	}
	for len(b.Results) > 0 {
		n := min(2000, len(b.Results))
		m := message(t, "p", probe.Batch{Epochs: b.Epochs, Results: b.Results[:n]})
		m.Received = time.UnixMilli(b.Results[n-1].Slot)
		ingest(t, s, m)
		b.Epochs, b.Results = nil, b.Results[n:]
	}
	o := sli.SLO{Name: "s", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.99, Combine: sli.Combine{Rule: "pooled"}}
	for _, x := range []struct {
		window time.Duration
		before bool
	}{{96 * time.Hour, false}, {36 * time.Hour, false}, {12 * time.Hour, true}} {
		o.Window = x.window
		rs, err := s.SLOs(t.Context(), []sli.SLO{o}, noon)
		if err != nil {
			t.Fatal(err)
		}
		r := rs[0]
		if r.SLI == nil || *r.SLI != 1 || *r.Decided != 1 || r.Decision.Decision != "ok" || (r.Before != nil) != x.before {
			t.Errorf("%v: got SLI %v, decided %v, before %v from %v: %s", x.window, *r.SLI, *r.Decided, r.Before, r.From, r.Decision.Sentence)
		}
	}
}

// A correction counts for the whole cell of its slot, also where that reaches into a window that the correction does not; one before
// the window is not told of.
func TestCorrectionsAtTheBorder(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	asOf := sli.AsOf(noon, follow("shop").Budget)
	grid := probe.Grid{Interval: 600_000}
	e := follow("shop")
	e.Grid = grid
	b := probe.Batch{Epochs: []probe.Epoch{e}}
	for at := noon.Add(-4 * time.Hour); at.Before(noon); at = at.Add(10 * time.Minute) {
		b.Results = append(b.Results, down("shop", at))
	}
	ingest(t, s, message(t, "p", b))
	// The slot that the window of an hour begins in the midst of.
	slot := asOf.Add(-time.Hour).Truncate(10 * time.Minute)
	correct(t, s, corrected("", slot, slot.Add(time.Second), "good"))
	o := sli.SLO{Name: "s", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.99, Window: time.Hour, Combine: quorum(sli.Quorum{Count: 1})}
	rs, err := s.SLOs(t.Context(), []sli.SLO{o}, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := slot.Add(10*time.Minute).Sub(asOf.Add(-time.Hour)).Seconds() / 3600
	if d := cmp.Diff(&want, rs[0].SLI, cmpopts.EquateApprox(1e-9, 0)); d != "" || rs[0].Observed != nil {
		t.Errorf("SLI (-want +got), observed %v:\n%s", rs[0].Observed, d)
	}
	us, err := s.Uptimes(t.Context(), sli.Query{From: slot.Add(2 * time.Minute), To: slot.Add(9 * time.Minute)}, []time.Duration{5 * time.Minute})
	if err != nil || us[0].Points[0].MCR == nil || *us[0].Points[0].MCR != 1 {
		t.Errorf("uptime: got %+v, %v, want all of the cell good", us, err)
	}
}

// A region of no weight does not make burn windows longer: nobody looks at what it sees.
func TestRegionsWithoutWeightHaveNoCells(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	if _, err := s.Ordinals(t.Context(), []Region{{Name: "tokyo", Weight: 1}, {Name: "office"}}); err != nil {
		t.Fatal(err)
	}
	often, seldom := follow("shop"), follow("shop")
	seldom.Grid = probe.Grid{Interval: 300_000}
	ingest(t, s, in("tokyo", message(t, "p", probe.Batch{Epochs: []probe.Epoch{often}})), in("office", message(t, "p", probe.Batch{Epochs: []probe.Epoch{seldom}})))
	for _, x := range []struct {
		slo  sli.SLO
		want time.Duration
	}{
		{sli.SLO{Checks: []string{"shop"}}, 10 * time.Second},
		{sli.SLO{Checks: []string{"shop"}, Regions: []string{"office"}}, 5 * time.Minute},
		{sli.SLO{Checks: []string{"shop"}, Weights: map[string]float64{"office": 1}}, 5 * time.Minute},
	} {
		if got := s.cellOf(&x.slo, noon.UnixMilli()); got != x.want {
			t.Errorf("regions %v, weights %v: got %v, want %v", x.slo.Regions, x.slo.Weights, got, x.want)
		}
	}
}
