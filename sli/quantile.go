package sli

import "math"

// A quantile is a percentage and its name in reports. Being whole numbers, it is compared exactly.
type quantile struct {
	name    string
	percent int64
}

var quantiles = [...]quantile{{"0.5", 50}, {"0.9", 90}, {"0.95", 95}, {"0.99", 99}}

// given reports whether n slots are enough to speak of the quantile: at least 1/(1−q).
func (q quantile) given(n int64) bool { return n*(100-q.percent) >= 100 }

func latencyReport(s Subject, parts []Part) LatencyReport {
	r := LatencyReport{Of: s.Of, Quantiles: make(map[string]*Value, len(quantiles))}
	if r.Of == "" {
		r.Of = OfValid
	}
	p := population{parts: parts, of: r.Of}
	for _, part := range parts {
		l := &part.Tally.latency
		r.Count += l.up
		if r.Of == OfValid {
			r.Count += l.down
		}
	}
	if s.Under > 0 {
		under := s.Under.Seconds()
		r.UnderSeconds = &under
		r.Ratio = ratio(weigh(parts, func(t *Tally) int64 { return t.latency.underUp }), weigh(parts, p.weight))
	}
	p.quantiles(r.Count, r.Quantiles)
	return r
}

// A population is the slots that a latency figure is about.
type population struct {
	parts []Part
	of    string
}

// weight is a region's whole population, in ms.
func (p population) weight(t *Tally) int64 {
	if p.of == OfValid {
		return t.latency.upMS + t.latency.downMS
	}
	return t.latency.upMS
}

// quantiles fills in every quantile of n slots: null where it is not given.
func (p population) quantiles(n int64, out map[string]*Value) {
	i, hi := p.bounds()
	upTo := make([]int64, len(p.parts)) // ms at or below index i, by region
	p.step(i, upTo)
	for _, q := range quantiles {
		out[q.name] = nil
		if !q.given(n) {
			continue
		}
		for i < hi && !p.reached(q, upTo) {
			i++
			p.step(i, upTo)
		}
		v := Value(math.Inf(1))
		if p.reached(q, upTo) {
			v = Value(Index(i).Seconds())
		}
		out[q.name] = &v
	}
}

// bounds returns the least and the greatest index that any region has a bin for.
func (p population) bounds() (lo, hi int) {
	lo, hi = math.MaxInt16, math.MinInt16
	for _, part := range p.parts {
		if l := &part.Tally.latency; len(l.bins) > 0 {
			lo, hi = min(lo, int(l.base)), max(hi, int(l.base)+len(l.bins)-1)
		}
	}
	return lo, hi
}

func (p population) step(i int, upTo []int64) {
	for r, part := range p.parts {
		upTo[r] += part.Tally.latency.at(i)
	}
}

// reached reports whether weight(≤ x) ≥ q·W. A region's share of the difference is a whole number; only
// its weight is not, so a tie is judged to a part in 10¹², far below the least real difference.
func (p population) reached(q quantile, upTo []int64) bool {
	var sum, size float64
	for r, part := range p.parts {
		d := part.Weight * float64(100*upTo[r]-q.percent*p.weight(part.Tally))
		sum += d
		size += math.Abs(d)
	}
	return sum >= -1e-12*size
}
