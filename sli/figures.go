package sli

import (
	"math"
	"slices"
	"time"
)

// The names that reports use for the choices behind their figures.
const (
	CombinePooled = "pooled"     // Report.Combine
	MethodWilson  = "wilson_iid" // Availability.Method
	OfValid       = "valid"      // LatencyReport.Of: a bad slot took for ever
	OfUp          = "up"         // LatencyReport.Of: bad slots are left out
)

// A Subject says what a report is about.
type Subject struct {
	Check  string        // id
	Region string        // not used when combined
	Under  time.Duration // the latency threshold in force at the window's end; zero: none
	Of     string        // OfValid or OfUp; empty is OfValid
	// Without latencies: the tallies were made of runs.
	Without bool
}

// A Part is one region's share of a combined report.
type Part struct {
	Region string
	Weight float64 // 0: in no combination
	Tally  *Tally
	// Observed is the tally without corrections; nil if it is the same.
	Observed *Tally
}

// RegionReport gives the figures of one check in one region. The weight of the part does not matter.
func RegionReport(w Window, s Subject, p Part) Report {
	p.Weight = 1
	r := newReport(w, s, []Part{p})
	r.Region = &s.Region
	return r
}

// Pooled gives the figures of one check over several regions, each slot weighing its region's weight times
// its cell. Counts and seconds stay unweighted. Regions of weight 0 are left out altogether.
func Pooled(w Window, s Subject, parts []Part) Report {
	weights := make(map[string]float64)
	var used []Part
	for _, p := range parts {
		if p.Weight > 0 {
			used = append(used, p)
			weights[p.Region] = p.Weight
		}
	}
	r := newReport(w, s, used)
	combine := CombinePooled
	r.Combine, r.Weights = &combine, weights
	return r
}

// NewProberReport tells how much of the due time of a region gave a verdict, from the tallies of all its
// checks. Those without a due slot do not count as checks.
func NewProberReport(w Window, region string, checks []*Tally) ProberReport {
	var all Tally
	var n int
	for _, t := range checks {
		all.Merge(t)
		if t.due > 0 {
			n++
		}
	}
	return ProberReport{
		SchemaVersion: SchemaVersion, Region: region,
		From: utc(w.From), To: utc(w.To), AsOf: utc(w.AsOf), Settled: w.Settled,
		Checks: n, Seconds: all.Seconds(), Slots: all.Slots(),
		Ratio: ratio(float64(all.verdict), float64(all.due)),
	}
}

func newReport(w Window, s Subject, parts []Part) Report {
	all := merged(parts)
	reasons := all.reasons
	if reasons == nil {
		reasons = map[string]int64{}
	}
	f := figures(s, parts, all)
	return Report{
		SchemaVersion: SchemaVersion, Check: s.Check,
		From: utc(w.From), To: utc(w.To), AsOf: utc(w.AsOf), Settled: w.Settled,
		Slots: f.Slots, Seconds: f.Seconds, Outcomes: all.Outcomes(),
		Excluded:     f.Excluded,
		Corrected:    CorrectedCounts{Good: all.corrected[Good], Bad: all.corrected[Bad]},
		Reasons:      reasons,
		Unvouched:    all.unvouched,
		Availability: f.Availability,
		Coverage:     coverage(parts),
		Latency:      f.Latency,
		Observed:     observed(s, parts),
	}
}

func merged(parts []Part) *Tally {
	var all Tally
	for _, p := range parts {
		all.Merge(p.Tally)
	}
	return &all
}

// figures are those of parts and of all of them together.
func figures(s Subject, parts []Part, all *Tally) *Figures {
	f := &Figures{
		Slots: all.Slots(), Seconds: all.Seconds(),
		Excluded:     ExcludedCounts{Maintenance: all.excluded[InMaintenance], Correction: all.excluded[CorrectedExcluded], Announced: all.excluded[Announced]},
		Availability: availability(parts),
	}
	if !s.Without {
		f.Latency = latencyReport(s, parts)
	}
	return f
}

// observed are the figures of the parts without corrections, nil if there are none.
func observed(s Subject, parts []Part) *Figures {
	plain := slices.Clone(parts)
	any := false
	for i := range plain {
		if p := &plain[i]; p.Observed != nil {
			p.Tally, any = p.Observed, true
		}
	}
	if !any {
		return nil
	}
	return figures(s, plain, merged(plain))
}

func utc(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// weigh adds up a number of ms over regions, each times its weight.
func weigh(parts []Part, f func(*Tally) int64) float64 {
	var sum float64
	for _, p := range parts {
		sum += p.Weight * float64(f(p.Tally))
	}
	return sum
}

// ratio is a ÷ b, undefined if b is 0.
func ratio(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	r := a / b
	return &r
}

func coverage(parts []Part) *float64 {
	return ratio(
		weigh(parts, func(t *Tally) int64 { return t.verdict }),
		weigh(parts, func(t *Tally) int64 { return t.due }),
	)
}

func availability(parts []Part) Availability {
	a := Availability{Method: MethodWilson}
	good := weigh(parts, func(t *Tally) int64 { return t.ms[Good] })
	valid := weigh(parts, (*Tally).valid)
	if valid == 0 {
		return a
	}
	undecided := weigh(parts, func(t *Tally) int64 { return t.ms[None] })
	a.Ratio = ratio(good, valid)
	a.IfUndecidedBad = ratio(good, valid+undecided)
	a.IfUndecidedGood = ratio(good+undecided, valid+undecided)
	var squares float64
	for _, p := range parts {
		squares += p.Weight * p.Weight * p.Tally.squares.float()
	}
	low, high := wilson(*a.Ratio, valid*valid/squares)
	a.Low, a.High = &low, &high
	return a
}

// wilson is the score interval of a share p of n independent slots at 95 %.
//
// Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
func wilson(p, n float64) (low, high float64) {
	const z = 1.959963984540054 // the 97.5 % quantile of the normal distribution
	centre := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	scale := 1 + z*z/n
	low, high = max(0, (centre-half)/scale), min(1, (centre+half)/scale)
	switch p { // what is exact, rounding would miss
	case 0:
		low = 0
	case 1:
		high = 1
	}
	return low, high
}
