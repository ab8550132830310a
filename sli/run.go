package sli

import (
	"iter"
	"math"
)

// A Run is N slots in a row, at least one: each a cell after the one before it, and alike in all but their instants. At is that of
// the first one.
type Run struct {
	Slot
	N int64
}

// End is the end of the last slot's cell, in Unix ms.
func (r Run) End() int64 { return r.At + r.N*r.Cell }

// Clip returns the slots of a run whose instants are in [from, to); false if there are none.
func (r Run) Clip(from, to int64) (Run, bool) {
	skip := slotsBefore(&r, from)
	r.N = min(slotsBefore(&r, to), r.N) - skip
	r.At += skip * r.Cell
	return r, r.N > 0
}

// slotsBefore counts the instants before t of a run that never ends.
func slotsBefore(r *Run, t int64) int64 {
	if t <= r.At {
		return 0
	}
	return (t-1-r.At)/r.Cell + 1
}

// Single makes a run of every slot.
func Single(slots iter.Seq[Slot]) iter.Seq[Run] {
	return func(yield func(Run) bool) {
		for s := range slots {
			if !yield(Run{s, 1}) {
				return
			}
		}
	}
}

// DueRuns appends the due slots in [from, to), in order of time, as if nothing had come of them: in as few runs as may be.
func DueRuns(runs []Run, segs []Segment, from, to int64) []Run {
	for _, s := range segs {
		first, n := s.clip(from, to)
		if n == 0 {
			continue
		}
		last := first + (n-1)*s.Interval
		cell := s.cell(last) // which another grid may cut short
		if cell == s.Interval {
			last += s.Interval
		}
		if first < last {
			runs = append(runs, dueRun(first, s.Interval, (last-first)/s.Interval))
		}
		if cell < s.Interval {
			runs = append(runs, dueRun(last, cell, 1))
		}
	}
	return runs
}

func dueRun(at, cell, n int64) Run {
	return Run{Slot{At: at, Cell: cell, Latency: NoLatency}, n}
}

// NewTrackOfRuns is NewTrack of runs in order of time.
func NewTrackOfRuns(runs iter.Seq[Run], spans []Span, m Measure) Track {
	var t Track
	c := newCursor(spans)
	for r := range runs {
		for p, ruling := range c.cut(r) {
			if v, ok := m.of(&p.Slot, ruling); ok {
				t = t.then(Stretch{p.At, p.End(), v})
			}
		}
	}
	return t
}

// AddRuns counts the due slots of runs in order of time, as AddAll does.
func (t *Tally) AddRuns(runs iter.Seq[Run], spans []Span) {
	c := newCursor(spans)
	for r := range runs {
		for p, ruling := range c.cut(r) {
			t.add(&p.Slot, ruling, p.N)
		}
	}
}

// Amounts counts the due slots of runs, in order of time and from the first cut on, between one cut and the next. It is not for
// latencies.
func Amounts(runs iter.Seq[Run], spans []Span, m Measure, cuts []int64) []Amount {
	out := make([]Amount, len(cuts)-1)
	c := newCursor(spans)
	k := 0
	for r := range runs {
		for p, ruling := range c.cut(r) {
			v, _ := m.of(&p.Slot, ruling)
			for rest := p; k < len(out); k++ {
				n := min(slotsBefore(&rest, cuts[k+1]), rest.N)
				out[k].count(v, n, n*rest.Cell)
				rest.N -= n
				rest.At += n * rest.Cell
				if rest.N == 0 {
					break
				}
			}
		}
	}
	return out
}

// cut yields a run in pieces of one ruling each.
func (c *cursor) cut(r Run) iter.Seq2[Run, ruling] {
	return func(yield func(Run, ruling) bool) {
		for r.N > 0 {
			ruling := c.at(r.At)
			p := r
			p.N = min(slotsBefore(&r, c.until(r.At)), r.N)
			if !yield(p, ruling) {
				return
			}
			r.N -= p.N
			r.At += p.N * r.Cell
		}
	}
}

// until is the first instant after t at which the ruling may be another one, if t is what was asked for last.
func (c *cursor) until(t int64) int64 {
	switch {
	case c.i >= len(c.spans):
		return math.MaxInt64
	case c.spans[c.i].from > t:
		return c.spans[c.i].from
	}
	return c.spans[c.i].to
}
