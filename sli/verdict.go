package sli

import (
	"cmp"
	"slices"
)

// A Verdict is how a slot counts once maintenance and corrections have had their say. Its names are label
// values in metrics.
type Verdict uint8

// The verdicts. None is the zero value: due, and nothing is known of the target.
const (
	None Verdict = iota
	Good
	Bad
	Excluded
	numVerdicts
)

// String returns "none", "good", "bad" or "excluded".
func (v Verdict) String() string {
	return [...]string{"none", "good", "bad", "excluded"}[v]
}

// A Span is an interval of time [From, To) that changes how slots in it count. Instants are Unix ms.
type Span struct {
	From, To int64
	Effect   Effect
}

// An Effect is what a Span does to the slots in it. Stored: never reorder. The zero Effect does nothing.
type Effect uint8

// The effects. Corrections come with a later version.
const (
	InMaintenance Effect = iota + 1
	numEffects
)

// VerdictOf tells how a slot counts among these spans, which may overlap and be in any order.
func VerdictOf(s Slot, spans []Span) Verdict {
	return judge(s.Outcome, effectAt(spans, s.At))
}

// judge is the whole precedence, highest first: (corrections, when there are any, come before everything),
// maintenance, the outcome.
func judge(o Outcome, e Effect) Verdict {
	if e == InMaintenance {
		return Excluded
	}
	return o.Verdict()
}

// effectAt returns the effect that wins at an instant. While there is one effect, any span will do;
// the newest correction will have to be looked for here, and in union.
func effectAt(spans []Span, at int64) Effect {
	for _, s := range spans {
		if s.From <= at && at < s.To {
			return s.Effect
		}
	}
	return 0
}

// union returns the same coverage as disjoint spans in order of time.
func union(spans []Span) []Span {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	out := sorted[:0]
	for _, s := range sorted {
		last := len(out) - 1
		switch {
		case s.To <= s.From:
		case last >= 0 && s.From <= out[last].To:
			out[last].To = max(out[last].To, s.To)
		default:
			out = append(out, s)
		}
	}
	return out
}

// A cursor finds the effect at instants that mostly ascend, over the disjoint spans of union.
type cursor struct {
	spans []Span
	i     int // the first span that ends after the last instant asked for
	last  int64
}

func (c *cursor) at(t int64) Effect {
	if len(c.spans) == 0 {
		return 0
	}
	if t < c.last {
		c.i = 0
	}
	c.last = t
	for c.i < len(c.spans) && c.spans[c.i].To <= t {
		c.i++
	}
	if c.i < len(c.spans) && c.spans[c.i].From <= t {
		return c.spans[c.i].Effect
	}
	return 0
}
