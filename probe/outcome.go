package probe

import "fmt"

// An Outcome is what a slot came to: exactly one of six. The zero value is no outcome at all; it is
// never stored and stands for "no data". Outcomes are stored and sent: never reorder, only append.
type Outcome uint8

// The six outcomes.
const (
	// Up: expected reachable; the target answered and every assertion held.
	Up Outcome = iota + 1
	// Down: expected reachable and not up, where the failure proves itself or is vouched for.
	Down
	// ExpectedUnreachable: expected unreachable, and so it was, in an expected way, vouched for.
	ExpectedUnreachable
	// Unexpected: expected unreachable; it answered, or failed in another way than expected.
	Unexpected
	// Inconclusive: the prober cannot prove that it could see, or could not probe by its own fault.
	Inconclusive
	// Missed: the slot passed without a probe, or the probe started too late.
	Missed
)

var outcomeNames = [...]string{
	Up: "up", Down: "down", ExpectedUnreachable: "expected_unreachable",
	Unexpected: "unexpected", Inconclusive: "inconclusive", Missed: "missed",
}

// Outcomes returns the six outcomes in stored order.
func Outcomes() []Outcome {
	return []Outcome{Up, Down, ExpectedUnreachable, Unexpected, Inconclusive, Missed}
}

// String returns the outcome's stable name, or "no_data" for the zero value.
func (o Outcome) String() string {
	switch {
	case o == 0:
		return "no_data"
	case int(o) < len(outcomeNames):
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Valid reports whether o is one of the six.
func (o Outcome) Valid() bool { return o >= Up && o <= Missed }

// Verdict reports whether the outcome says something about the target.
func (o Outcome) Verdict() bool { return o >= Up && o <= Unexpected }
