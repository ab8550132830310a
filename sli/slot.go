package sli

// An Outcome is what a slot came to. The six stored values are those of the prober's outcomes; the zero
// value is "no data": due, and nothing ever arrived. Stored: never reorder.
type Outcome uint8

// The outcomes, and what they say about the target.
const (
	NoData              Outcome = iota // none
	Up                                 // good
	Down                               // bad
	ExpectedUnreachable                // good
	Unexpected                         // bad
	Inconclusive                       // none
	Missed                             // none
	numOutcomes
)

// A Slot is one due slot as it was observed.
type Slot struct {
	At        int64 // Unix ms
	Cell      int64 // ms until the next slot of the grid in force; its weight
	Outcome   Outcome
	Reason    string // stable name; empty for none
	Latency   Index  // of an up slot; NoLatency otherwise
	Under     bool   // the latency was below the threshold in force
	Unvouched bool
	Attempts  int
}

// An Index is a quantised latency: the DDSketch index i = ⌈ln x ÷ ln γ⌉ of x seconds, γ = 101/99, standing
// for the value 2γⁱ/(γ+1), within 1 % of x.
type Index int16

// NoLatency marks the absence of a latency.
const NoLatency Index = -1 << 15

// A Grid segment says that slots are due at the instants ≡ Offset modulo Interval within [From, To). From is
// a slot. To is the first instant at which another grid, or none, is in force; math.MaxInt64 while it lasts.
type Segment struct {
	From, To         int64 // Unix ms
	Interval, Offset int64 // ms
}

// A Span is an interval of time [From, To) that changes how slots in it count.
type Span struct {
	From, To int64
	Effect   Effect
}

// An Effect is what a Span does to the slots in it.
type Effect uint8

// The effects. Corrections come with a later version.
const (
	InMaintenance Effect = iota + 1
)
