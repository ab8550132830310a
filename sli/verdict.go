package sli

import (
	"cmp"
	"fmt"
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
	Rank     int // of corrections: of several at an instant the one with the highest rank wins; each has its own
}

// An Effect is what a Span does to the slots in it. Stored: never reorder. The zero Effect does nothing.
type Effect uint8

// The effects. Whatever a correction says goes before any maintenance, and that before what a target announces.
const (
	InMaintenance     Effect = iota + 1
	CorrectedExcluded        // taken out after the fact
	CorrectedBad             // counted bad, also where there was no verdict
	CorrectedGood            // counted good, also where there was no verdict
	Announced                // a target said that it is in maintenance: what is down is taken out
	numEffects
)

var effectNames = [numEffects]string{InMaintenance: "maintenance", CorrectedExcluded: "exclude", CorrectedBad: "bad", CorrectedGood: "good", Announced: "announced"}

// String returns the effect's stable name: "maintenance", "announced", or what a correction does: "exclude", "bad" or "good".
func (e Effect) String() string {
	if e < numEffects {
		return effectNames[e]
	}
	return fmt.Sprintf("effect(%d)", uint8(e))
}

// CorrectionEffect returns the effect of a correction by its name.
func CorrectionEffect(name string) (Effect, bool) {
	i := slices.Index(effectNames[CorrectedExcluded:Announced], name)
	return CorrectedExcluded + Effect(max(i, 0)), i >= 0
}

// Correction reports whether the effect is one of a correction.
func (e Effect) Correction() bool { return CorrectedExcluded <= e && e < Announced }

// class orders effects: one of a higher class wins.
func (e Effect) class() int {
	switch {
	case e == 0:
		return 0
	case e.Correction():
		return 3
	case e == InMaintenance:
		return 2
	}
	return 1
}

// Excludes reports whether a slot with this outcome is taken out.
func (e Effect) Excludes(o Outcome) bool { return judge(o, e) == Excluded }

// NewJudge returns a function that tells how a slot counts among these spans, which may overlap and be in any order. It is
// quickest with slots in order of time; not for concurrent use.
func NewJudge(spans []Span) func(Slot) Verdict {
	c := newCursor(spans)
	return func(s Slot) Verdict { return judge(s.Outcome, c.at(s.At).effect) }
}

// EffectAt returns the effect that wins at an instant, 0 if there is none.
func EffectAt(spans []Span, at int64) Effect { return rulingAt(spans, at).effect }

// Uncorrected returns the spans that are no corrections: with them slots count as observed.
func Uncorrected(spans []Span) []Span {
	return slices.DeleteFunc(slices.Clone(spans), func(s Span) bool { return s.Effect.Correction() })
}

// judge is the whole precedence, once it is known which effect wins.
func judge(o Outcome, e Effect) Verdict {
	switch e {
	case InMaintenance, CorrectedExcluded:
		return Excluded
	case CorrectedBad:
		return Bad
	case CorrectedGood:
		return Good
	case Announced:
		if o == Down {
			return Excluded
		}
	}
	return o.Verdict()
}

// over reports whether a span wins against another one where both are.
func (s *Span) over(o *Span) bool {
	if a, b := s.Effect.class(), o.Effect.class(); a != b {
		return a > b
	}
	return s.Rank > o.Rank
}

// A ruling is what spans say of an instant.
type ruling struct {
	effect Effect // the one that wins
	plain  Effect // the one that would win without corrections
}

// rule picks the winner of spans that are all there.
func rule(spans []Span) ruling {
	var best Span
	var r ruling
	for i := range spans {
		if best.Effect == 0 || spans[i].over(&best) {
			best = spans[i]
		}
		if e := spans[i].Effect; !e.Correction() && e.class() > r.plain.class() {
			r.plain = e
		}
	}
	r.effect = best.Effect
	return r
}

func rulingAt(spans []Span, at int64) ruling {
	return rule(slices.DeleteFunc(slices.Clone(spans), func(s Span) bool { return at < s.From || s.To <= at }))
}

// A ruled interval is one in which spans say the same all the time.
type ruled struct {
	from, to int64
	ruling
}

// resolve cuts spans into disjoint intervals in order of time.
func resolve(spans []Span) []ruled {
	coming := slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	coming = slices.DeleteFunc(coming, func(s Span) bool { return s.To <= s.From })
	var out []ruled
	var open []Span
	for at := int64(0); len(coming) > 0 || len(open) > 0; {
		if len(open) == 0 {
			at = coming[0].From
		}
		for len(coming) > 0 && coming[0].From <= at {
			open, coming = append(open, coming[0]), coming[1:]
		}
		until := open[0].To
		if len(coming) > 0 {
			until = coming[0].From
		}
		for i := range open {
			until = min(until, open[i].To)
		}
		out = appendRuled(out, ruled{at, until, rule(open)})
		at = until
		open = slices.DeleteFunc(open, func(s Span) bool { return s.To <= at })
	}
	return out
}

// appendRuled adds an interval, making the last one longer if it goes on.
func appendRuled(out []ruled, r ruled) []ruled {
	if n := len(out); n > 0 && out[n-1].to == r.from && out[n-1].ruling == r.ruling {
		out[n-1].to = r.to
		return out
	}
	return append(out, r)
}

// A cursor finds the ruling at instants that mostly ascend.
type cursor struct {
	spans []ruled
	i     int // the first span that ends after the last instant asked for
	last  int64
}

func newCursor(spans []Span) cursor { return cursor{spans: resolve(spans)} }

func (c *cursor) at(t int64) ruling {
	if len(c.spans) == 0 {
		return ruling{}
	}
	if t < c.last {
		c.i = 0
	}
	c.last = t
	for c.i < len(c.spans) && c.spans[c.i].to <= t {
		c.i++
	}
	if c.i < len(c.spans) && c.spans[c.i].from <= t {
		return c.spans[c.i].ruling
	}
	return ruling{}
}
