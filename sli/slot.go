package sli

import "fmt"

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

var outcomeNames = [numOutcomes]string{
	"no_data", "up", "down", "expected_unreachable", "unexpected", "inconclusive", "missed",
}

// String returns the outcome's stable name.
func (o Outcome) String() string {
	if o < numOutcomes {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Verdict is what the outcome alone says about the target. An outcome that this version does not know says
// nothing.
func (o Outcome) Verdict() Verdict {
	switch o {
	case Up, ExpectedUnreachable:
		return Good
	case Down, Unexpected:
		return Bad
	}
	return None
}

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
