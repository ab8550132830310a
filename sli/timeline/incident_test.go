package timeline

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// told says of incidents what they are, in seconds before noon.
func told(xs []sli.Incident) []string {
	out := []string{}
	for _, x := range xs {
		to := "on"
		if x.To != nil {
			to = fmt.Sprint(x.To.Sub(noon).Seconds())
		}
		text := fmt.Sprintf("%s %s %v..%s %v", x.Check, x.Kind, x.From.Sub(noon).Seconds(), to, x.SortedReasons())
		for _, r := range x.Regions {
			text += fmt.Sprintf(" %s:%d+%d", r.Region, r.Bad, r.Undecided)
		}
		out = append(out, text)
	}
	return out
}

func TestIncidentsOfTimelines(t *testing.T) { everywhere(t, testIncidentsOfTimelines) }

func testIncidentsOfTimelines(t *testing.T, p place) {
	s := p.store(t)
	regions := []Region{{Name: "tokyo", Weight: 1}, {Name: "osaka", Weight: 1}, {Name: "kyoto", Weight: 1}}
	if _, err := s.Ordinals(t.Context(), regions); err != nil {
		t.Fatal(err)
	}
	begin := noon.Add(-time.Hour)
	for i, r := range regions {
		b := probe.Batch{Epochs: []probe.Epoch{follow("shop")}}
		for at := begin; at.Before(noon.Add(-time.Minute)); at = at.Add(10 * time.Second) {
			second := at.Sub(begin) / time.Second
			switch {
			case second >= 600 && second < 900: // nobody sees anything
				b.Results = append(b.Results, inconclusive("shop", at))
			case second >= 1200 && second < 1500 && i < 2 || second >= 2000 && second < 2100 && i == 0:
				b.Results = append(b.Results, down("shop", at))
			default:
				b.Results = append(b.Results, up("shop", at))
			}
		}
		ingest(t, s, in(r.Name, message(t, "p", b)))
	}
	catchUp(t, s)
	q := sli.Query{From: begin, To: noon.Add(-time.Minute)}
	slos := []sli.SLO{
		{Name: "s", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.5, Window: time.Hour, Combine: sli.Combine{Rule: "pooled"}},
		{Name: "other", Checks: []string{"zone"}, Indicator: "availability", Objective: 0.5, Window: time.Hour, Combine: sli.Combine{Rule: "pooled"}},
	}
	want := func(what string, quorum sli.Quorum, want ...string) []sli.Incident {
		t.Helper()
		xs, err := s.Incidents(t.Context(), q, quorum, slos)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, told(xs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		return xs
	}
	const blind = "shop undecided -3000..-2700 [no_vouch] kyoto:0+30 osaka:0+30 tokyo:0+30"
	outage := "shop bad -2400..-2100 [timeout] osaka:30+0 tokyo:30+0"
	xs := want("by the default quorum", sli.Quorum{}, blind, outage)
	if d := cmp.Diff(map[string]float64{"s": 300.0 / 1800}, xs[1].BudgetSpent); d != "" || xs[1].UncertaintySeconds != 10 {
		t.Errorf("budget spent (-want +got), uncertainty %v:\n%s", xs[1].UncertaintySeconds, d)
	}
	foldAll(t, s)
	want("folded", sli.Quorum{}, blind, outage)
	want("all must be good", sli.Quorum{All: true}, blind, outage, "shop bad -1600..-1500 [timeout] tokyo:10+0")
	want("one suffices", sli.Quorum{Any: true}, blind)
	correct(t, s, corrected("", noon.Add(-2400*time.Second), noon.Add(-2200*time.Second), "exclude"))
	want("corrected", sli.Quorum{}, blind, "shop bad -2200..-2100 [timeout] osaka:10+0 tokyo:10+0")
	q.From = noon.Add(-2150 * time.Second)
	want("that began before the window", sli.Quorum{}, "shop bad -2200..-2100 [timeout] osaka:10+0 tokyo:10+0")

	reports, err := s.Uptimes(t.Context(), sli.Query{From: begin, To: noon.Add(-time.Minute)}, []time.Duration{time.Minute, 20 * time.Minute})
	if err != nil || len(reports) != 1 {
		t.Fatalf("got %d reports, %v", len(reports), err)
	}
	minute, twenty := reports[0].Points[0], reports[0].Points[1]
	if minute.MCR == nil || *minute.MCR != 1.0/3 || !minute.From.Equal(noon.Add(-2220*time.Second)) {
		t.Errorf("worst minute: got %+v, want a third, 37 minutes before noon", minute)
	}
	if twenty.MCR == nil || *twenty.MCR <= *minute.MCR || *twenty.MCR >= 1 {
		t.Errorf("worst 20 minutes: got %+v, want better than the worst minute, and not all good", twenty)
	}
}

func inconclusive(check string, at time.Time) probe.Result {
	r := down(check, at)
	r.Outcome, r.Reason = probe.Inconclusive, probe.NoVouch
	return r
}

func TestIncidentsHaveEvidence(t *testing.T) { everywhere(t, testIncidentsHaveEvidence) }

func testIncidentsHaveEvidence(t *testing.T, p place) {
	s := p.store(t)
	begin := noon.Add(-time.Hour)
	instant := func(n int) time.Time { return begin.Add(time.Duration(n) * 10 * time.Second) }
	b := probe.Batch{Epochs: []probe.Epoch{follow("shop")}}
	for n := range 300 {
		if r := up("shop", instant(n)); n/10%10 != 5 {
			b.Results = append(b.Results, r)
		} else {
			b.Results = append(b.Results, down("shop", instant(n)))
		}
	}
	ingest(t, s, in("tokyo", message(t, "p", b)), in("osaka", message(t, "p", b)))
	var ms []Message
	for _, x := range []struct {
		region, prober, outcome string
		slot                    int
	}{
		{"tokyo", "p", "down", 40}, // of no incident
		{"tokyo", "p", "down", 52},
		{"tokyo", "q", "down", 52},
		{"tokyo", "p", "down", 59},
		{"tokyo", "p", "up", 57},
		{"osaka", "p", "down", 51},
		{"tokyo", "p", "down", 150},
	} {
		body, err := json.Marshal(probe.Evidence{
			Check: "shop", Slot: instant(x.slot).UnixMilli(), Outcome: x.outcome, Detail: probe.Detail{Error: fmt.Sprintf("slot %d of %s", x.slot, x.region)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, Message{Region: x.region, Prober: x.prober, Received: noon, Payload: body})
	}
	if err := s.IngestEvidence(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	catchUp(t, s)
	xs, err := s.Incidents(t.Context(), sli.Query{From: begin, To: instant(299)}, sli.Quorum{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range xs {
		for _, r := range xs[i].Regions {
			text := fmt.Sprintf("%d %s %q", i, r.Region, r.Summary)
			for _, at := range r.Evidence {
				text += fmt.Sprintf(" %d", at.Sub(begin)/(10*time.Second))
			}
			got = append(got, text)
		}
		got = append(got, xs[i].Summary())
	}
	want := []string{
		`0 osaka "slot 51 of osaka" 51`, `0 tokyo "slot 52 of tokyo" 52 59`, "slot 51 of osaka",
		`1 osaka ""`, `1 tokyo "slot 150 of tokyo" 150`, "slot 150 of tokyo",
		`2 osaka ""`, `2 tokyo ""`, "",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
