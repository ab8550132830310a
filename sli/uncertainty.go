package sli

import (
	"math"
	"time"
)

// SlotsToShow is how many slots without a failure it takes to be 95 % sure that an objective is met: the least n such that objectiveⁿ
// is at most 5 %. It takes slots to be independent of each other; since outages are runs, more are needed in truth.
//
// Source: the one-sided bound of Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
// binomial", Biometrika 26 (1934), without a failure.
func SlotsToShow(objective Ratio) int64 {
	return int64(math.Ceil(math.Log(0.05) / math.Log(float64(objective))))
}

// An Interval is between which bounds the long-run ratio lies with 95 %, by a method.
type Interval struct {
	Method string   `json:"method"`
	Low    *float64 `json:"low"` // null: nothing can be said
	High   *float64 `json:"high"`
	Note   string   `json:"note"` // for people
}

// The methods. Those that end in iid take slots to be independent; outages are runs, so they cover far less than they say.
const (
	MethodClopperPearson = "clopper_pearson_iid"
	MethodBlocks         = "hour_blocks"
)

// A Certainty tells how sure the availability of a check is, over its regions. It decides nothing.
type Certainty struct {
	SchemaVersion int        `json:"schema_version"`
	Check         string     `json:"check"` // id
	From          time.Time  `json:"from"`
	To            time.Time  `json:"to"`
	AsOf          time.Time  `json:"as_of"`
	Settled       bool       `json:"settled"`
	Ratio         *float64   `json:"ratio"`
	Slots         float64    `json:"slots"`     // good and bad, as many of the same weight as would tell as much
	Intervals     []Interval `json:"intervals"` // of the long-run ratio
	// What the ratio would be had all undecided time been bad, or good.
	IfUndecidedBad  *float64 `json:"if_undecided_bad"`
	IfUndecidedGood *float64 `json:"if_undecided_good"`
	// ScheduleErrorSeconds is the standard error of the bad time, since slots look only once in a while.
	ScheduleErrorSeconds float64 `json:"schedule_error_seconds"`
	// ShortestOutageSeconds is how long an outage lasts that makes the quorum bad; null without a region.
	ShortestOutageSeconds *float64 `json:"shortest_outage_seconds"`
	Quorum                string   `json:"quorum"`
}

// NewCertainty works it out from the tallies of regions and from what they watched, in the same order. Regions of weight 0 do not
// count.
func NewCertainty(w Window, check string, parts []Part, watches []Watch, q Quorum) Certainty {
	c := Certainty{
		SchemaVersion: SchemaVersion, Check: check, From: utc(w.From), To: utc(w.To), AsOf: utc(w.AsOf), Settled: w.Settled,
		Quorum: Combine{Rule: "quorum", Quorum: &q}.String(),
	}
	a := availability(parts)
	c.Ratio, c.IfUndecidedBad, c.IfUndecidedGood = a.Ratio, a.IfUndecidedBad, a.IfUndecidedGood
	wilson := Interval{Method: MethodWilson, Low: a.Low, High: a.High, Note: "were slots independent of each other"}
	exact := Interval{Method: MethodClopperPearson, Note: wilson.Note}
	if a.Ratio != nil {
		c.Slots = effectiveSlots(parts)
		low, high := clopperPearson(*a.Ratio, c.Slots)
		exact.Low, exact.High = &low, &high
	}
	c.Intervals = []Interval{wilson, exact, hourBlocks(w, parts, watches)}
	c.ScheduleErrorSeconds = scheduleError(parts, watches, w)
	c.ShortestOutageSeconds = shortestOutage(watches, q)
	return c
}

// effectiveSlots is (Σw)² ÷ Σw² over good and bad slots, w = region weight × cell.
func effectiveSlots(parts []Part) float64 {
	var squares float64
	for _, p := range parts {
		squares += p.Weight * p.Weight * p.Tally.squares.float()
	}
	if squares == 0 {
		return 0
	}
	valid := weigh(parts, (*Tally).valid)
	return valid * valid / squares
}

// clopperPearson is the exact interval of a share p of n independent slots at 95 %: the p̂ at which so many successes or fewer, or
// so many or more, come with 2.5 %. With weights n is no whole number; the beta distribution does not mind.
//
// Source: Clopper, Pearson, Biometrika 26 (1934).
func clopperPearson(p, n float64) (low, high float64) {
	const tail = 0.025
	k := p * n
	low, high = 0, 1
	if k > 0 {
		low = inverse(func(x float64) float64 { return betaInc(k, n-k+1, x) }, tail)
	}
	if k < n {
		high = inverse(func(x float64) float64 { return betaInc(k+1, n-k, x) }, 1-tail)
	}
	return low, high
}

// inverse finds where a function that grows from 0 to 1 over [0, 1] has a value.
func inverse(f func(float64) float64, y float64) float64 {
	low, high := 0.0, 1.0
	for range 100 {
		if mid := (low + high) / 2; f(mid) < y {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// betaInc is the regularised incomplete beta function I_x(a, b), by its continued fraction.
//
// Source: Abramowitz, Stegun, "Handbook of Mathematical Functions" (1964), 26.5.8, evaluated as Lentz does, Applied Optics 15 (1976).
func betaInc(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaInc(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	const tiny = 1e-300
	f, c, d := 1.0, 1.0, 0.0
	for i := range 100_000 {
		m := float64(i / 2)
		numerator := 1.0
		switch {
		case i == 0:
		case i%2 == 0:
			numerator = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			numerator = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + numerator*d; math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		if c = 1 + numerator/c; math.Abs(c) < tiny {
			c = tiny
		}
		f *= c * d
		if math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	return front * (f - 1) / a
}

// leastBadBlocks is how many hours with something bad it takes before their spread says anything.
const leastBadBlocks = 5

// hourBlocks takes whole hours over all regions jointly as what is independent: outages end, and regions fail together. It is the
// ratio estimator of a sample of clusters, ± 1.96 standard errors.
//
// Source: Cochran, "Sampling Techniques", 3rd edition (1977), section 6.3.
func hourBlocks(w Window, parts []Part, watches []Watch) Interval {
	const hour = 3_600_000
	iv := Interval{Method: MethodBlocks}
	var good, valid []float64
	var sumGood, sumValid float64
	bad := 0
	for from := w.From - (w.From%hour+hour)%hour; from < w.To; from += hour {
		var a Amount
		for i := range watches {
			a = a.plus(watches[i].Track.Amount(max(from, w.From), min(from+hour, w.To)), parts[i].Weight)
		}
		if a.Valid() == 0 {
			continue
		}
		if a.Bad > 0 {
			bad++
		}
		good, valid = append(good, a.Good), append(valid, a.Valid())
		sumGood, sumValid = sumGood+a.Good, sumValid+a.Valid()
	}
	if bad < leastBadBlocks {
		iv.Note = "too few to say: fewer than five hours had a failure"
		return iv
	}
	n, r, squares := float64(len(good)), sumGood/sumValid, 0.0
	for i := range good {
		d := good[i] - r*valid[i]
		squares += d * d
	}
	const z = 1.959963984540054
	half := z * math.Sqrt(n/(n-1)*squares) / sumValid
	low, high := max(0, r-half), min(1, r+half)
	iv.Low, iv.High, iv.Note = &low, &high, "hours over all regions jointly are independent of each other"
	return iv
}

// scheduleError is the standard error of the weighed bad time by the clock: each end of a bad stretch lies anywhere within the
// cell that saw it, so its square is T²/12.
func scheduleError(parts []Part, watches []Watch, w Window) float64 {
	var squares, weights float64
	for i, x := range watches {
		cell := seconds(x.Cell)
		ends := 0
		for _, s := range x.Track {
			if s.Verdict == Bad && s.To > w.From && s.From < w.To {
				ends += 2
			}
		}
		squares += parts[i].Weight * parts[i].Weight * float64(ends) * cell * cell / 12
		weights += parts[i].Weight
	}
	if weights == 0 {
		return 0
	}
	return math.Sqrt(squares) / weights
}

// shortestOutage is how long an outage of the target for everybody lasts that makes the quorum bad: m of the n regions must have a
// slot in it, m = n − k + 1, and of slots that are spread evenly over the interval T one comes each T ÷ n.
func shortestOutage(watches []Watch, q Quorum) *float64 {
	n := len(watches)
	if n == 0 {
		return nil
	}
	cell := int64(0)
	for _, x := range watches {
		cell = max(cell, x.Cell)
	}
	s := seconds(cell) * float64(n-q.of(n)+1) / float64(n)
	return &s
}
