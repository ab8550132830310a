package sli

import (
	"iter"
	"math"
	"slices"
)

// A Measure is what of a slot an indicator looks at.
type Measure struct {
	Indicator string // one of the Indicator constants
	Of        string // of latency: OfValid or OfUp; empty is OfValid
}

// The indicators that an SLO can be about.
const (
	IndicatorAvailability = "availability" // good ÷ (good + bad)
	IndicatorLatency      = "latency"      // under the check's threshold ÷ population
	IndicatorProber       = "prober"       // came to a verdict ÷ all that was due, whatever maintenance and corrections say
)

// of tells how a slot counts; false: it is not in the population.
func (m Measure) of(s *Slot, r ruling) (Verdict, bool) {
	if m.Indicator == IndicatorProber {
		if s.Outcome.Verdict() == None {
			return Bad, true
		}
		return Good, true
	}
	v := judge(s.Outcome, r.effect)
	if m.Indicator != IndicatorLatency || v == None || v == Excluded {
		return v, true
	}
	switch {
	case s.Outcome != Up && s.Outcome != Down:
		return v, false
	case v == Bad:
		return Bad, m.Of != OfUp
	case s.Outcome == Down || s.Latency == NoLatency:
		return v, false
	case s.Under:
		return Good, true
	}
	return Bad, true
}

// A Stretch is a time [From, To) during which one verdict held, in Unix ms.
type Stretch struct {
	From, To int64
	Verdict  Verdict
}

// A Track tells how a target fared over time: stretches in order of time, disjoint. Where there is none nothing was due. The
// verdict of a slot holds for its cell. As stretches are merged, a month without an event is one.
type Track []Stretch

// NewTrack makes the track of slots in order of time.
func NewTrack(slots iter.Seq[Slot], spans []Span, m Measure) Track {
	return NewTrackOfRuns(Single(slots), spans, m)
}

// then adds a stretch that comes after all others.
func (t Track) then(s Stretch) Track {
	if n := len(t); n > 0 && t[n-1].To == s.From && t[n-1].Verdict == s.Verdict {
		t[n-1].To = s.To
		return t
	}
	return append(t, s)
}

// Amount adds up the time of the track in [from, to), in ms.
func (t Track) Amount(from, to int64) Amount {
	var a Amount
	i, _ := slices.BinarySearchFunc(t, from, func(s Stretch, from int64) int {
		if s.To <= from {
			return -1
		}
		return 1
	})
	for ; i < len(t) && t[i].From < to; i++ {
		a.add(t[i].Verdict, float64(min(t[i].To, to)-max(t[i].From, from)))
	}
	return a
}

// of is how many of n regions must see an instant good: at least one, at most all.
func (q *Quorum) of(n int) int {
	k := q.Count
	switch {
	case q.All:
		k = n
	case q.Any:
		k = 1
	case q.Share > 0:
		k = int(math.Ceil(float64(q.Share)*float64(n) - 1e-9)) // a share of 60 % of 5 is 3, whatever binary fractions make of it
	}
	return max(1, min(k, n))
}

// Combined makes one track of several: at each instant good if enough of them are, bad if too few can be, else undecided.
// Those that are excluded at an instant do not vote, nor do those of which nothing is due; where nobody votes it is excluded,
// or nothing is due.
func (q *Quorum) Combined(tracks []Track) Track {
	var out Track
	next := make([]int, len(tracks)) // of each the first stretch that ends after at
	for at, ok := begins(tracks); ok; {
		var votes [numVerdicts]int
		until := int64(math.MaxInt64)
		for i, t := range tracks {
			for next[i] < len(t) && t[next[i]].To <= at {
				next[i]++
			}
			switch {
			case next[i] == len(t):
			case t[next[i]].From > at:
				until = min(until, t[next[i]].From)
			default:
				votes[t[next[i]].Verdict]++
				until = min(until, t[next[i]].To)
			}
		}
		if until == math.MaxInt64 {
			break
		}
		if v, due := q.vote(votes); due {
			out = out.then(Stretch{at, until, v})
		}
		at = until
	}
	return out
}

// begins is the first instant of all tracks.
func begins(tracks []Track) (at int64, ok bool) {
	at = math.MaxInt64
	for _, t := range tracks {
		if len(t) > 0 {
			at, ok = min(at, t[0].From), true
		}
	}
	return at, ok
}

// vote counts the votes of an instant; false: nothing is due.
func (q *Quorum) vote(votes [numVerdicts]int) (v Verdict, due bool) {
	n := votes[Good] + votes[Bad] + votes[None]
	switch k := q.of(n); {
	case n == 0:
		return Excluded, votes[Excluded] > 0
	case votes[Good] >= k:
		return Good, true
	case votes[Good]+votes[None] < k:
		return Bad, true
	}
	return None, true
}
