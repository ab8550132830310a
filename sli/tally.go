package sli

import (
	"iter"
	"math/bits"
)

// A Tally is everything that the figures of one check in one region need to know of its slots. It counts in
// whole slots and whole milliseconds, so that adding and merging are exact, in any order and grouping. The
// zero Tally is empty. Not safe for concurrent use.
//
// The seconds of a Tally are the sum of cells: slots of 10 s and of 60 s add up by the time they stand for.
type Tally struct {
	seen      [numOutcomes]int64 // slots as observed, whatever was excluded
	due       int64              // ms as observed
	verdict   int64              // ms as observed
	slots     [numVerdicts]int64
	ms        [numVerdicts]int64
	none      [numOutcomes]int64 // the None slots, by outcome
	excluded  [numEffects]int64  // the Excluded slots, by cause
	corrected [numVerdicts]int64 // the Good and Bad slots that would not be without a correction
	squares   square             // Σ cell² over Good and Bad, in ms²
	reasons   map[string]int64
	unvouched int64
	latency   latencies
}

// Add counts one due slot among spans, which may overlap and be in any order. With many spans AddAll is
// cheaper.
func (t *Tally) Add(s Slot, spans []Span) { t.add(&s, rulingAt(spans, s.At), 1) }

// AddAll counts due slots among spans, which may overlap and be in any order. It is cheapest if the slots
// come in order of time.
func (t *Tally) AddAll(slots iter.Seq[Slot], spans []Span) {
	c := newCursor(spans)
	for s := range slots {
		t.add(&s, c.at(s.At), 1)
	}
}

// Steps counts due slots, each in the tally of its step: the i-th is from cuts[i] to cuts[i+1]. Not safe for concurrent use.
type Steps struct {
	tallies []Tally
	cuts    []int64
	c       cursor
	i       int
}

// NewSteps counts in tallies, one fewer than cuts, among spans, which may overlap and be in any order.
func NewSteps(tallies []Tally, cuts []int64, spans []Span) *Steps {
	return &Steps{tallies: tallies, cuts: cuts, c: newCursor(spans)}
}

// Add counts one slot, which is not kept. They come in order of time, none before the first cut or after the last.
func (x *Steps) Add(s *Slot) {
	for s.At >= x.cuts[x.i+1] {
		x.i++
	}
	x.tallies[x.i].add(s, x.c.at(s.At), 1)
}

// add counts n slots that are alike.
func (t *Tally) add(s *Slot, r ruling, n int64) {
	o := s.Outcome
	if o >= numOutcomes {
		o = Inconclusive // stored by a later version: something arrived, and it is no verdict that we know
	}
	t.observe(s, o, n)
	v := judge(o, r.effect)
	t.slots[v] += n
	t.ms[v] += n * s.Cell
	switch v {
	case Excluded:
		t.excluded[r.effect] += n
		return
	case None:
		t.none[o] += n
		return
	}
	if r.effect != r.plain && v != judge(o, r.plain) {
		t.corrected[v] += n
	}
	t.squares.add(s.Cell, n)
	if o == Up || o == Down {
		t.latency.add(s, v, n)
	}
}

// observe counts what is told of slots whether or not they are excluded.
func (t *Tally) observe(s *Slot, o Outcome, n int64) {
	t.seen[o] += n
	t.due += n * s.Cell
	if o.Verdict() != None {
		t.verdict += n * s.Cell
	}
	if s.Unvouched {
		t.unvouched += n
	}
	if s.Reason != "" {
		if t.reasons == nil {
			t.reasons = make(map[string]int64)
		}
		t.reasons[s.Reason] += n
	}
}

// Merge adds all that o counted. Both must be about different slots. o is not changed.
func (t *Tally) Merge(o *Tally) {
	addAll(t.seen[:], o.seen[:])
	addAll(t.slots[:], o.slots[:])
	addAll(t.ms[:], o.ms[:])
	addAll(t.none[:], o.none[:])
	addAll(t.excluded[:], o.excluded[:])
	addAll(t.corrected[:], o.corrected[:])
	t.due += o.due
	t.verdict += o.verdict
	t.squares.merge(o.squares)
	t.unvouched += o.unvouched
	if t.reasons == nil && len(o.reasons) > 0 {
		t.reasons = make(map[string]int64, len(o.reasons))
	}
	for r, n := range o.reasons {
		t.reasons[r] += n
	}
	t.latency.merge(&o.latency)
}

func addAll(to, from []int64) {
	for i, n := range from {
		to[i] += n
	}
}

// Corrected reports whether a correction had a say in how slots count.
func (t *Tally) Corrected() bool {
	return t.excluded[CorrectedExcluded]+t.corrected[Good]+t.corrected[Bad] > 0
}

// Slots returns the counts by how slots count, all of them in whole slots.
func (t *Tally) Slots() SlotCounts {
	c := SlotCounts{
		Good: t.slots[Good], Bad: t.slots[Bad], Excluded: t.slots[Excluded],
		Inconclusive: t.none[Inconclusive], Missed: t.none[Missed], NoData: t.none[NoData],
	}
	for _, n := range t.seen {
		c.Scheduled += n
	}
	return c
}

// Seconds returns the time that the slots stand for.
func (t *Tally) Seconds() Seconds {
	return Seconds{
		Due: seconds(t.due), Verdict: seconds(t.verdict),
		Good: seconds(t.ms[Good]), Bad: seconds(t.ms[Bad]),
		Undecided: seconds(t.ms[None]), Excluded: seconds(t.ms[Excluded]),
	}
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// Outcomes counts the stored slots by outcome, excluded ones too.
func (t *Tally) Outcomes() OutcomeCounts {
	return OutcomeCounts{
		Up: t.seen[Up], Down: t.seen[Down],
		ExpectedUnreachable: t.seen[ExpectedUnreachable], Unexpected: t.seen[Unexpected],
		Inconclusive: t.seen[Inconclusive], Missed: t.seen[Missed],
	}
}

// valid is the time in ms that counts as good or bad.
func (t *Tally) valid() int64 { return t.ms[Good] + t.ms[Bad] }

// A square is a sum of squares in 128 bits: those of 400 days of long cells would not fit into 64.
type square struct{ hi, lo uint64 }

// add adds n squares of x; n·x must fit into 63 bits.
func (q *square) add(x, n int64) {
	hi, lo := bits.Mul64(uint64(x), uint64(n*x))
	q.merge(square{hi, lo})
}

func (q *square) merge(o square) {
	var carry uint64
	q.lo, carry = bits.Add64(q.lo, o.lo, 0)
	q.hi, _ = bits.Add64(q.hi, o.hi, carry)
}

func (q square) float() float64 { return float64(q.hi)*(1<<64) + float64(q.lo) }
