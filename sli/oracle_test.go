package sli_test

import (
	"cmp"
	"math"
	"math/big"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// An oracle works out the figures of a report the slow way: from single slots, with rational numbers, by the
// words of the definitions. It shares no code with what it judges.
type oracle struct{ slots []weighed }

// A weighed slot knows its region's weight, whether it lies in a maintenance or an announcement, and the newest correction about it.
type weighed struct {
	sli.Slot
	region      *big.Rat
	maintenance bool
	announced   bool       // and down
	corrected   sli.Effect // 0: none
}

func newOracle(parts map[string][]sli.Slot, weights map[string]*big.Rat, spans []sli.Span) *oracle {
	var o oracle
	for region, slots := range parts {
		for _, s := range slots {
			x, newest := weighed{Slot: s, region: weights[region]}, -1
			for _, m := range spans {
				switch {
				case s.At < m.From || s.At >= m.To:
				case m.Effect == sli.InMaintenance:
					x.maintenance = true
				case m.Effect == sli.Announced:
					x.announced = s.Outcome == sli.Down
				case m.Rank > newest:
					x.corrected, newest = m.Effect, m.Rank
				}
			}
			o.slots = append(o.slots, x)
		}
	}
	return &o
}

// plain is the oracle that never heard of corrections.
func (o *oracle) plain() *oracle {
	p := &oracle{slots: slices.Clone(o.slots)}
	for i := range p.slots {
		p.slots[i].corrected = 0
	}
	return p
}

func excluded(s weighed) bool {
	return s.corrected == sli.CorrectedExcluded || s.corrected == 0 && (s.maintenance || s.announced)
}

func good(s weighed) bool {
	if s.corrected != 0 {
		return s.corrected == sli.CorrectedGood
	}
	return !s.maintenance && (s.Outcome == sli.Up || s.Outcome == sli.ExpectedUnreachable)
}

func bad(s weighed) bool {
	if s.corrected != 0 {
		return s.corrected == sli.CorrectedBad
	}
	return !s.maintenance && !s.announced && (s.Outcome == sli.Down || s.Outcome == sli.Unexpected)
}

func valid(s weighed) bool { return good(s) || bad(s) }

func undecided(s weighed) bool { return !excluded(s) && !valid(s) }

func anySlot(weighed) bool { return true }

func observed(s weighed) bool {
	s.maintenance, s.announced, s.corrected = false, false, 0
	return valid(s)
}

func (o *oracle) count(f func(weighed) bool) int64 {
	var n int64
	for _, s := range o.slots {
		if f(s) {
			n++
		}
	}
	return n
}

// seconds adds up unweighted cells.
func (o *oracle) seconds(f func(weighed) bool) float64 {
	var ms int64
	for _, s := range o.slots {
		if f(s) {
			ms += s.Cell
		}
	}
	x, _ := big.NewRat(ms, 1000).Float64()
	return x
}

func (s weighed) weight() *big.Rat {
	return new(big.Rat).Mul(s.region, new(big.Rat).SetInt64(s.Cell))
}

func (o *oracle) weight(f func(weighed) bool) *big.Rat {
	sum := new(big.Rat)
	for _, s := range o.slots {
		if f(s) {
			sum.Add(sum, s.weight())
		}
	}
	return sum
}

func (o *oracle) squares(f func(weighed) bool) *big.Rat {
	sum := new(big.Rat)
	for _, s := range o.slots {
		if f(s) {
			sum.Add(sum, new(big.Rat).Mul(s.weight(), s.weight()))
		}
	}
	return sum
}

func quotient(a, b *big.Rat) *float64 {
	if b.Sign() == 0 {
		return nil
	}
	x, _ := new(big.Rat).Quo(a, b).Float64()
	return &x
}

func (o *oracle) availability() sli.Availability {
	a := sli.Availability{Method: "wilson_iid"}
	all := o.weight(valid)
	if all.Sign() == 0 {
		return a
	}
	due := o.weight(func(s weighed) bool { return valid(s) || undecided(s) })
	a.Ratio = quotient(o.weight(good), all)
	a.IfUndecidedBad = quotient(o.weight(good), due)
	a.IfUndecidedGood = quotient(o.weight(func(s weighed) bool { return good(s) || undecided(s) }), due)
	n := quotient(new(big.Rat).Mul(all, all), o.squares(valid))
	low, high := roots(*a.Ratio, *n)
	a.Low, a.High = &low, &high
	return a
}

// roots finds Wilson's bounds as what they are: the two p at which |p̂ − p| = z·√(p(1−p)/n), by bisection.
func roots(phat, n float64) (low, high float64) {
	const z = 1.959963984540054
	outside := func(p float64) bool { return math.Abs(phat-p) > z*math.Sqrt(p*(1-p)/n) }
	return bisect(0, phat, outside), bisect(1, phat, outside)
}

func bisect(out, in float64, outside func(float64) bool) float64 {
	for range 200 {
		if mid := (out + in) / 2; outside(mid) {
			out = mid
		} else {
			in = mid
		}
	}
	return in
}

// latency sorts the population and walks it; a bad slot comes after all others.
func (o *oracle) latency(of string, under *float64) sli.LatencyReport {
	r := sli.LatencyReport{UnderSeconds: under, Of: of, Quantiles: map[string]*sli.Value{}}
	in := func(s weighed) bool {
		switch {
		case s.Outcome != sli.Up && s.Outcome != sli.Down:
			return false
		case bad(s):
			return of == "valid"
		}
		return good(s) && s.Outcome == sli.Up
	}
	r.Count = o.count(in)
	all := o.weight(in)
	if under != nil {
		r.Ratio = quotient(o.weight(func(s weighed) bool { return in(s) && good(s) && s.Under }), all)
	}
	for _, q := range []struct {
		name string
		of   *big.Rat
	}{{"0.5", big.NewRat(1, 2)}, {"0.9", big.NewRat(9, 10)}, {"0.95", big.NewRat(95, 100)}, {"0.99", big.NewRat(99, 100)}} {
		r.Quantiles[q.name] = nil
		enough := new(big.Rat).Inv(new(big.Rat).Sub(big.NewRat(1, 1), q.of))
		if big.NewRat(r.Count, 1).Cmp(enough) >= 0 {
			r.Quantiles[q.name] = o.quantile(new(big.Rat).Mul(q.of, all), in)
		}
	}
	return r
}

func (o *oracle) quantile(reach *big.Rat, in func(weighed) bool) *sli.Value {
	sorted := slices.Clone(o.slots)
	slices.SortFunc(sorted, func(a, b weighed) int { return cmp.Compare(o.slowness(a), o.slowness(b)) })
	sum := new(big.Rat)
	for _, s := range sorted {
		if !in(s) {
			continue
		}
		if sum.Add(sum, s.weight()); sum.Cmp(reach) >= 0 {
			v := sli.Value(o.slowness(s))
			return &v
		}
	}
	panic("more than the whole was to be reached")
}

func (o *oracle) slowness(s weighed) float64 {
	if s.Outcome != sli.Up || bad(s) {
		return math.Inf(1)
	}
	const g = 101.0 / 99.0
	return 2 * math.Exp(float64(s.Latency)*math.Log(g)) / (g + 1)
}

// figures are those that corrections can change.
func (o *oracle) figures(of string, under *float64) sli.Figures {
	open := func(w sli.Outcome) func(weighed) bool {
		return func(s weighed) bool { return s.Outcome == w && undecided(s) }
	}
	f := sli.Figures{
		Slots: sli.SlotCounts{
			Scheduled: o.count(anySlot), Good: o.count(good), Bad: o.count(bad), Excluded: o.count(excluded),
			Inconclusive: o.count(open(sli.Inconclusive)), Missed: o.count(open(sli.Missed)), NoData: o.count(open(sli.NoData)),
		},
		Seconds: sli.Seconds{
			Due: o.seconds(anySlot), Verdict: o.seconds(observed), Good: o.seconds(good), Bad: o.seconds(bad),
			Undecided: o.seconds(undecided), Excluded: o.seconds(excluded),
		},
		Availability: o.availability(), Latency: o.latency(of, under),
	}
	f.Excluded.Correction = o.count(func(s weighed) bool { return excluded(s) && s.corrected != 0 })
	f.Excluded.Announced = o.count(func(s weighed) bool { return s.corrected == 0 && !s.maintenance && s.announced })
	f.Excluded.Maintenance = f.Slots.Excluded - f.Excluded.Correction - f.Excluded.Announced
	return f
}

// turned counts the slots that come to something only by a correction.
func (o *oracle) turned(to func(weighed) bool) int64 {
	return o.count(func(s weighed) bool {
		plain := s
		plain.corrected = 0
		return to(s) && !to(plain)
	})
}

// fill writes every figure of a report into r; the observed ones if there is a correction.
func (o *oracle) fill(r *sli.Report, of string, under *float64, corrections bool) {
	is := func(w sli.Outcome) func(weighed) bool { return func(s weighed) bool { return s.Outcome == w } }
	f := o.figures(of, under)
	r.Slots, r.Excluded, r.Seconds, r.Availability, r.Latency = f.Slots, f.Excluded, f.Seconds, f.Availability, f.Latency
	if corrections {
		plain := o.plain().figures(of, under)
		r.Observed = &plain
	}
	r.Corrected = sli.CorrectedCounts{Good: o.turned(good), Bad: o.turned(bad)}
	r.Outcomes = sli.OutcomeCounts{
		Up: o.count(is(sli.Up)), Down: o.count(is(sli.Down)), Inconclusive: o.count(is(sli.Inconclusive)), Missed: o.count(is(sli.Missed)),
		ExpectedUnreachable: o.count(is(sli.ExpectedUnreachable)), Unexpected: o.count(is(sli.Unexpected)),
	}
	r.Reasons = map[string]int64{}
	for _, s := range o.slots {
		if s.Reason != "" {
			r.Reasons[s.Reason]++
		}
	}
	r.Unvouched = o.count(func(s weighed) bool { return s.Unvouched })
	r.Coverage = quotient(o.weight(observed), o.weight(anySlot))
}
