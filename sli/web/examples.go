package web

import (
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// The answers that the document shows: of an hour in which one check was down for three minutes in one of its two regions.

// exampleTime is their as_of.
func exampleTime() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// exampleKey is a public key.
const exampleKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

func exampleWindow() sli.Window {
	to := exampleTime().UnixMilli()
	return sli.Window{From: to - time.Hour.Milliseconds(), To: to, AsOf: to, Settled: true}
}

// exampleSlots are those of an hour, down from a minute to another.
func exampleSlots(from, to int) []sli.Slot {
	w := exampleWindow()
	var slots []sli.Slot
	for i := range 60 {
		s := sli.Slot{
			At: w.From + int64(i)*60_000, Cell: 60_000, Outcome: sli.Up, Latency: sli.Index(probe.IndexOf(time.Duration(40+i%7) * time.Millisecond)), Under: true, Attempts: 1,
		}
		if i >= from && i < to {
			s.Outcome, s.Reason, s.Latency, s.Under = sli.Down, probe.Timeout.String(), sli.NoLatency, false
		}
		slots = append(slots, s)
	}
	return slots
}

func exampleParts() []sli.Part {
	parts := []sli.Part{{Region: "frankfurt", Weight: 1}, {Region: "tokyo", Weight: 1}}
	for i := range parts {
		parts[i].Tally = new(sli.Tally)
		parts[i].Tally.AddAll(slices.Values(exampleSlots(20, 20+3*i)), nil)
	}
	return parts
}

func exampleWatches() []sli.Watch {
	var watches []sli.Watch
	for i, region := range []string{"frankfurt", "tokyo"} {
		track := sli.NewTrack(slices.Values(exampleSlots(20, 20+3*i)), nil, sli.Measure{Indicator: sli.IndicatorAvailability})
		watches = append(watches, sli.Watch{Region: region, Cell: 60_000, Track: track})
	}
	return watches
}

func exampleReports() list[sli.Report] {
	w, parts := exampleWindow(), exampleParts()
	subject := func(region string) sli.Subject {
		return sli.Subject{Check: "shop", Region: region, Under: 300 * time.Millisecond, Of: sli.OfValid}
	}
	return listOf([]sli.Report{sli.RegionReport(w, subject("tokyo"), parts[1]), sli.Pooled(w, subject(""), parts)})
}

func examplePreview() list[previewItem] {
	now := exampleReports().Items[0]
	t := new(sli.Tally)
	t.AddAll(slices.Values(exampleSlots(20, 23)), []sli.Span{{From: now.From.UnixMilli(), To: now.To.UnixMilli() - 30*60_000, Effect: sli.CorrectedExcluded}})
	then := sli.RegionReport(exampleWindow(), sli.Subject{Check: "shop", Region: "tokyo", Under: 300 * time.Millisecond, Of: sli.OfValid}, sli.Part{Tally: t})
	return listOf([]previewItem{{now, then}})
}

func examplePhases() list[sli.PhaseReport] {
	hs := make([]sli.Histogram, 2)
	for _, s := range exampleSlots(20, 23) {
		if s.Latency != sli.NoLatency {
			hs[0].Add(s.Latency/4, 1)
			hs[1].Add(s.Latency, 1)
		}
	}
	return listOf([]sli.PhaseReport{sli.NewPhaseReport(exampleWindow(), sli.Series{Check: "shop", Region: "tokyo"}, []string{"connect", "wait"}, hs)})
}

func exampleProbers() list[sli.ProberReport] {
	return listOf([]sli.ProberReport{sli.NewProberReport(exampleWindow(), "tokyo", []*sli.Tally{exampleParts()[1].Tally})})
}

func exampleChanges() list[sli.Change] {
	return listOf([]sli.Change{{Check: "shop", Region: "tokyo", Revision: 7, At: exampleTime().Add(-time.Hour), What: "interval, http.url"}})
}

func exampleRejected() list[sli.Rejected] {
	return listOf([]sli.Rejected{{ReceivedAt: exampleTime(), Region: "tokyo", Prober: "p1", Reason: "malformed", Detail: "batch: unexpected end", Head: []byte{1, 0, 255}}})
}

func exampleChecks() list[checkItem] {
	return listOf([]checkItem{itemOf(Check{
		ID: "shop", Name: "Shop", Kind: "http", Target: "https://shop.example.com/", Interval: time.Minute, Timeout: 10 * time.Second, Under: 300 * time.Millisecond,
		Labels: map[string]string{"team": "web"}, Groups: []string{"checkout"}, Regions: []string{"frankfurt", "tokyo"}, Expect: map[string]string{"frankfurt": "reachable", "tokyo": "reachable"}, Enabled: true,
	})})
}

func exampleOutlook() sli.Outlook {
	return sli.Outlook{
		Islands:    []sli.Island{{Region: "osaka", Alone: 12, Of: 14}},
		Peninsulas: []sli.Peninsula{{Check: "shop", Bad: []string{"tokyo"}, Good: []string{"frankfurt"}}},
	}
}

func exampleEvidence() list[evidenceItem] {
	ms := time.Millisecond
	return listOf([]evidenceItem{{"tokyo", probe.Evidence{
		Check: "shop", Slot: exampleWindow().From + 20*60_000, Outcome: sli.Down.String(), Reason: probe.Timeout.String(), Target: "https://shop.example.com/", Dialled: "198.51.100.7:443",
		Spans:  []probe.SpanDetail{{Phase: "resolve", For: 4 * ms}, {Phase: "connect", At: 4 * ms, For: 9996 * ms}},
		Detail: probe.Detail{Error: exampleError},
	}}})
}

const exampleError = "connect to 198.51.100.7:443: no answer within 10s"

func exampleIncidents() list[incidentItem] {
	xs := sli.Incidents("shop", exampleWatches(), sli.Quorum{All: true}, exampleWindow())
	x := xs[0]
	for _, s := range exampleSlots(20, 23) {
		if s.Outcome == sli.Down {
			x.See("tokyo", s, sli.Bad)
		}
	}
	x.Regions[0].Evidence, x.Regions[0].Summary = []time.Time{*x.Regions[0].First}, exampleError
	x.BudgetSpent["shop-availability"] = 0.0744
	return listOf([]incidentItem{itemOfIncident(x)})
}

func exampleCertainties() list[sli.Certainty] {
	return listOf([]sli.Certainty{sli.NewCertainty(exampleWindow(), "shop", exampleParts(), exampleWatches(), sli.DefaultQuorum())})
}

func exampleUptimes() list[sli.UptimeReport] {
	w := exampleWindow()
	var tracks []sli.Track
	for _, x := range exampleWatches() {
		tracks = append(tracks, x.Track)
	}
	r := sli.NewUptimeReport(w, "shop", sli.NewUptime(tracks, []float64{1, 1}, w.From, w.To), time.Minute, []time.Duration{5 * time.Minute})
	r.Weights = map[string]float64{"frankfurt": 1, "tokyo": 1}
	return listOf([]sli.UptimeReport{r})
}

func exampleSLOs() list[sli.SLOReport] {
	ratio, left, before, total, spent, rate, slots, lost := 0.9996, 0.6, 0.7, 2419.2, 967.7, 0.4, 80.64, int64(32)
	to := exampleTime()
	return listOf([]sli.SLOReport{{
		SchemaVersion: sli.SchemaVersion, Name: "shop-availability", Indicator: sli.IndicatorAvailability, Checks: []string{"shop"}, Regions: []string{"frankfurt", "tokyo"},
		Combine: "pooled", Group: "pooled", Objective: 0.999, From: to.AddDate(0, 0, -28), To: to, End: to, AsOf: to, SLI: &ratio, IfUndecidedBad: &ratio, IfUndecidedGood: &ratio,
		Budget:   sli.Budget{Left: &left, LeftBefore: &before, TotalSeconds: &total, SpentSeconds: &spent, TotalSlots: &slots, SpentSlots: &lost},
		Burn:     []sli.BurnRate{{LongSeconds: 3360, ShortSeconds: 280, Long: &rate, Short: &rate, Factor: 14.4, Severity: "page"}},
		Decision: sli.Decision{Decision: sli.DecideOK, Sentence: "60% of the error budget is left"},
	}})
}

func exampleCounts() sli.Counts {
	to := exampleTime()
	step := sli.StepCounts{To: to, Slots: sli.ByVerdict[int64]{Good: 5, Bad: 1}, Seconds: sli.ByVerdict[float64]{Good: 50, Bad: 10}}
	c := sli.NewCounts(sli.Series{Check: "shop", Region: "tokyo"}, sli.Window{From: to.Add(-time.Minute).UnixMilli(), To: to.UnixMilli(), AsOf: to.UnixMilli(), Settled: true}, time.Minute)
	c.Steps = append(c.Steps, step)
	return c
}

func exampleSLOHistory() list[sli.SLOPoint] {
	r := exampleSLOs().Items[0]
	spent := 0.02
	return listOf([]sli.SLOPoint{{SLOReport: r, Step: sli.SLOStep{From: r.To.AddDate(0, 0, -1), SLI: r.SLI, Spent: &spent}}})
}

func exampleDraft() sli.Correction {
	from := exampleTime().Add(-time.Hour)
	return sli.Correction{
		ID: "c-2026-11-23", Checks: []string{"shop"}, Regions: []string{"tokyo"}, From: from, To: from.Add(30 * time.Minute),
		Effect: "exclude", Category: "false_alarm", Reason: "the office firewall was being replaced", Author: "aiko",
	}
}

func exampleCorrection() sli.Correction {
	c := exampleDraft()
	c.Created = exampleTime()
	return c
}

func examplePresence() list[Presence] {
	heard, offset := exampleTime(), 0.012
	return listOf([]Presence{{
		Region: "tokyo", Prober: "p1", State: ProberPresent, Heard: &heard, Version: "v1.2.3", Revision: 7, Newest: 7, Checks: 14, Running: 2, MaxRunning: 64,
		ClockOffset: &offset, Faults: []string{},
	}})
}
