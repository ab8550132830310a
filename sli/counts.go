package sli

import (
	"iter"
	"time"
)

// Counts tell how the slots of one check in one region count, step by step from the beginning of a window to its end. They
// count as in reports: the sum of all steps is what the report on the window says.
type Counts struct {
	SchemaVersion int          `json:"schema_version"`
	Check         string       `json:"check"` // id
	Region        string       `json:"region"`
	From          time.Time    `json:"from"`
	To            time.Time    `json:"to"`
	AsOf          time.Time    `json:"as_of"`
	Settled       bool         `json:"settled"` // the end asked for was not clipped to AsOf
	StepSeconds   float64      `json:"step_seconds"`
	Steps         []StepCounts `json:"steps"` // also those in which nothing was due
}

// StepCounts are of the slots from the end of the step before, or from the beginning of the window, to the end of this one. A
// step ends at a whole multiple of its length since the Unix epoch, and the last one with the window.
type StepCounts struct {
	To      time.Time          `json:"to"`
	Slots   ByVerdict[int64]   `json:"slots"`
	Seconds ByVerdict[float64] `json:"seconds"` // the cells of these slots, in whole milliseconds
}

// ByVerdict has a number for each verdict.
type ByVerdict[N int64 | float64] struct {
	Good     N `json:"good"`
	Bad      N `json:"bad"`
	None     N `json:"none"`
	Excluded N `json:"excluded"`
}

// Of is the number of a verdict.
func (b *ByVerdict[N]) Of(v Verdict) N { return *b.of(v) }

func (b *ByVerdict[N]) of(v Verdict) *N {
	switch v {
	case Good:
		return &b.Good
	case Bad:
		return &b.Bad
	case Excluded:
		return &b.Excluded
	}
	return &b.None
}

// NewCounts are those of a timeline over a window, without any step yet.
func NewCounts(x Series, w Window, step time.Duration) Counts {
	return Counts{
		SchemaVersion: SchemaVersion, Check: x.Check, Region: x.Region, From: utc(w.From), To: utc(w.To), AsOf: utc(w.AsOf), Settled: w.Settled,
		StepSeconds: step.Seconds(), Steps: []StepCounts{},
	}
}

// CountSteps counts the due slots of a window, in runs in order of time, among spans, which may overlap and be in any order. The
// length of a step is in ms, at least 1.
func CountSteps(runs iter.Seq[Run], spans []Span, w Window, length int64) []StepCounts {
	c := stepper{w: w, length: length, end: w.From, steps: []StepCounts{}}
	judge := NewJudge(spans)
	for r := range runs {
		for s := r.Slot; s.At < r.End(); s.At += s.Cell {
			c.reach(s.At)
			v := judge(s)
			c.slots[v]++
			c.ms[v] += s.Cell
		}
	}
	c.reach(w.To)
	return c.steps
}

// A stepper counts in the step that begins where the last one ended.
type stepper struct {
	w         Window
	length    int64
	end       int64 // of the last one
	slots, ms [numVerdicts]int64
	steps     []StepCounts
}

// reach ends all steps that end at or before an instant.
func (c *stepper) reach(at int64) {
	for c.end < c.w.To {
		next := min((c.end/c.length+1)*c.length, c.w.To)
		if next > at {
			return
		}
		s := StepCounts{To: utc(next)}
		for v := range numVerdicts {
			*s.Slots.of(v), *s.Seconds.of(v) = c.slots[v], seconds(c.ms[v])
		}
		c.steps = append(c.steps, s)
		c.end, c.slots, c.ms = next, [numVerdicts]int64{}, [numVerdicts]int64{}
	}
}
